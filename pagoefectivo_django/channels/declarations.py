"""Declarations of a channel's class that can't hold together."""

from __future__ import annotations

from .base import Channel

#: By ability, the method that a class with the ability implements.
METHODS = {
    "can_look_up": "look_up",
    "can_find": "find",
    "can_delete": "delete",
    "can_extend": "extend",
    "can_refund": "refund",
}


def contradictions(channel: type[Channel]) -> list[str]:
    """Return the contradictions among a class's declarations, each as the end of a sentence; empty for a sound class.

    An ability that is a property depends on the OPTIONS and is not looked at.
    """
    found = [
        f"declares {ability} and has no method {method}"
        for ability, method in METHODS.items()
        if getattr(channel, ability) is True and getattr(channel, method) is getattr(Channel, method)
    ]
    if channel.can_look_up is False:
        why = {"can_extend": "a new date counts", "tells_reversals": "a reversal is told"}
        named = [name for name in why if getattr(channel, name) is True]
        found += [f"declares {name} without can_look_up, by whose answers alone {why[name]}" for name in named]
    if channel.life is not None and channel.expires_within is not None:
        found.append("declares life, a date that the provider sets, beside expires_within, a date of the order's")
    return found
