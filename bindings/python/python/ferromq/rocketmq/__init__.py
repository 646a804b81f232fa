"""For programs written for `rocketmq-client-python`: the same names, on the core of FerroMQ.

Changing `from rocketmq.client import ...` to `from ferromq.rocketmq.client import ...` is enough.
New programs use the classes of `ferromq` itself.
"""
