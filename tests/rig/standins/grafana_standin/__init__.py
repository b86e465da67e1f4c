"""A stand-in for Grafana in tests: reads what is provisioned, refuses what is wrong in it, and answers a part of the HTTP interface.

It differs in this: nothing is drawn, a fault in a dashboard ends the start instead of being logged, and unknown dashboards are 404.
"""
