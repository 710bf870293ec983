#!/usr/bin/env python3
"""steady_entra.py CONTROL_PORT ARGUMENT... - tests/entra/entra.py with a control port of one's own choice, so that mail servers
find it again after a restart."""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "entra"))

import entra        # noqa: E402
import listening    # noqa: E402

any_port = listening.start
control_port = int(sys.argv.pop(1))


def start(make, stack, address, port=0, both=True):
    return any_port(make, stack, address, port if both else control_port, both)


listening.start = start
entra.main()
