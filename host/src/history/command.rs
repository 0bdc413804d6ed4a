//! `health --history`, `snapshot show|diff|accept`: what the command line prints of the history.
