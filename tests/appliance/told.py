"""What the clients in Python share: they do what they are told on standard input and say what came of it.

A line in is a JSON object: `do` names the deed, `who` the client, the rest is what the deed needs. A line out answers
it: what the deed returned, or `{"error": ...}`. Nothing goes on before its answer: nobody needs to wait by the clock.
"""

import json
import os
import sys

# How long a client waits for the broker; the test that tells it waits longer, so that it hears why.
PATIENCE = 20


def obey(connect):
    """Carries out one line after the other. `connect` makes a client; its other deeds are the client's methods."""
    clients = {}
    for line in sys.stdin:
        told = json.loads(line)
        do, who = told.pop("do"), told.pop("who")
        try:
            if do == "connect":
                clients[who] = connect(who, **told)
                answer = {"session": clients[who].had_session}
            else:
                answer = getattr(clients[who], do)(**told)
        except Exception as fault:
            answer = {"error": f"{type(fault).__name__}: {fault}"}
        print(json.dumps(answer or {}), flush=True)
    # Connections that are still open end with the process, and their threads too.
    os._exit(0)
