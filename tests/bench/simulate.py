"""Replicas of the service as queues: requests come, wait for a core, wait for the gateway, wait for a core again.

Takes what one request costs, and how requests come; gives what clients would see, and how many instances would live. A
discrete-event simulation with numbers of its own: it knows nothing of wasmtime beyond the costs that it is given.
"""

from __future__ import annotations

import heapq
import math
import random
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Costs:
    """Of one request, in seconds; and of one replica."""

    cpu: float
    """Time of a core, for all of it."""
    upstream: float
    """Until the gateway answers. No core is used meanwhile, but an instance is."""
    before: float = 0.5
    """The share of `cpu` that is spent before the gateway is asked."""
    cores: int = 2
    """Of one replica."""
    at_once: int = 256
    """Requests that one replica has at once (`--max-concurrent-requests`); further ones wait."""


@dataclass
class Seen:
    """What came of it."""

    latencies: list[float]
    seconds: float
    most_at_once: int
    """Requests, and so instances, of one replica at the worst moment."""
    busy: float
    """The share of all cores that worked."""

    @property
    def per_second(self) -> float:
        """Requests that were answered."""
        return len(self.latencies) / self.seconds

    def percentile(self, share: float) -> float:
        """Of the latencies."""
        ordered = sorted(self.latencies)
        return ordered[min(len(ordered) - 1, math.floor(len(ordered) * share))]


Draw = Callable[[float], float]


class Replica:
    """Cores, a queue before them, and a door."""

    def __init__(self, costs: Costs) -> None:
        self.costs = costs
        self.free = costs.cores
        self.waiting: deque[Request] = deque()
        self.outside: deque[Request] = deque()
        self.inside = 0
        self.most = 0
        self.worked = 0.0


@dataclass
class Request:
    """One of them."""

    replica: Replica
    came: float
    client: int
    phase: int = 0


class Simulation:
    """Time, and what happens next."""

    def __init__(self, costs: Costs, replicas: int, seed: int = 1, cpu: Draw | None = None, upstream: Draw | None = None) -> None:
        self.costs = costs
        self.replicas = [Replica(costs) for _ in range(replicas)]
        self.random = random.Random(seed)
        # A request costs what it costs, give or take; a gateway has a long tail.
        self.cpu = cpu or (lambda mean: mean * self.random.uniform(0.75, 1.25))
        self.upstream = upstream or (lambda mean: mean * (0.5 + self.random.expovariate(2.0)))
        self.now = 0.0
        self.count = 0
        self.events: list[tuple[float, int, Request | int]] = []
        self.turn = 0
        self.latencies: list[float] = []
        self.begins = 0.0
        self.closed = False

    def at(self, when: float, what: Request | int) -> None:
        """Something will happen; a number is a client that asks."""
        self.count += 1
        heapq.heappush(self.events, (when, self.count, what))

    def arrive(self, client: int) -> None:
        """At the next replica: the proxy before them goes round."""
        replica = self.replicas[self.turn % len(self.replicas)]
        self.turn += 1
        request = Request(replica, self.now, client)
        if replica.inside < self.costs.at_once:
            self.enter(request)
        else:
            replica.outside.append(request)

    def enter(self, request: Request) -> None:
        """It has an instance now."""
        replica = request.replica
        replica.inside += 1
        replica.most = max(replica.most, replica.inside)
        self.want_core(request)

    def want_core(self, request: Request) -> None:
        """Works, or waits for it."""
        replica = request.replica
        if replica.free == 0:
            replica.waiting.append(request)
            return
        replica.free -= 1
        share = self.costs.before if request.phase == 0 else 1 - self.costs.before
        took = self.cpu(self.costs.cpu * share) if share else 0.0
        replica.worked += took
        request.phase += 1
        self.at(self.now + took, request)

    def goes_on(self, request: Request) -> None:
        """Its phase is over: 1, the first work; 2, the gateway; 3, the second work."""
        replica = request.replica
        if request.phase in (1, 3):
            replica.free += 1
            if replica.waiting:
                self.want_core(replica.waiting.popleft())
        if request.phase == 1:
            request.phase = 2
            self.at(self.now + self.upstream(self.costs.upstream), request)
        elif request.phase == 2 and self.costs.before < 1:
            self.want_core(request)
        else:
            self.done(request)

    def done(self, request: Request) -> None:
        """It is answered."""
        replica = request.replica
        replica.inside -= 1
        if replica.outside:
            self.enter(replica.outside.popleft())
        if request.came >= self.begins:
            self.latencies.append(self.now - request.came)
        if self.closed:
            self.arrive(request.client)

    def run(self, until: float, begins: float) -> Seen:
        """Lets it happen. Who comes before `begins` counts for nothing: the queues are empty at first."""
        self.begins = begins
        while self.events and self.events[0][0] <= until:
            self.now, _, what = heapq.heappop(self.events)
            if isinstance(what, int):
                self.arrive(what)
            else:
                self.goes_on(what)
        worked = sum(replica.worked for replica in self.replicas)
        cores = self.costs.cores * len(self.replicas)
        return Seen(self.latencies, until - self.begins, max(one.most for one in self.replicas), worked / (until * cores))


def steady(costs: Costs, replicas: int, per_second: float, seconds: float, seed: int = 1) -> Seen:
    """Many users who know nothing of each other: a Poisson process."""
    simulation = Simulation(costs, replicas, seed)
    for when in poisson(simulation.random, per_second, seconds):
        simulation.at(when, 0)
    return simulation.run(seconds, seconds / 5)


def poisson(source: random.Random, per_second: float, seconds: float) -> Iterator[float]:
    """Moments."""
    when = source.expovariate(per_second)
    while when < seconds:
        yield when
        when += source.expovariate(per_second)


def on_the_minute(costs: Costs, replicas: int, users: int, within: float, seed: int = 1) -> Seen:
    """All of them once within so many seconds, as machines do whose clocks are set alike."""
    simulation = Simulation(costs, replicas, seed)
    for user in range(users):
        simulation.at(simulation.random.uniform(0, within), user)
    return simulation.run(3600, 0)


def in_turns(costs: Costs, replicas: int, clients: int, seconds: float, seed: int = 1) -> Seen:
    """Clients that ask again as soon as they are answered: what a load generator does."""
    simulation = Simulation(costs, replicas, seed)
    simulation.closed = True
    for client in range(clients):
        simulation.at(client * 1e-6, client)
    return simulation.run(seconds, seconds / 5)
