//! A gateway of three services on loopback, to try everything without one.
