# SPDX-License-Identifier: Apache-2.0
"""etcd's JSON gateway, for the measurements: each call a connection of its own, none longer than its limit."""

import base64
import http.client
import json
import os
import urllib.parse


def endpoints():
    given = os.environ.get("GNOMON_CLUSTER_ENDPOINTS")
    if not given:
        raise SystemExit("run it within a cluster: ./dev cluster --no-gnomond --exec 'python3 bench/cluster/...'")
    return given.split(",")


def call(endpoint, path, body, limit_s=1.0):
    """The answer; an OSError or http.client.HTTPException if there is none in time."""
    url = urllib.parse.urlsplit(endpoint)
    connection = http.client.HTTPConnection(url.hostname, url.port, timeout=limit_s)
    try:
        connection.request("POST", path, json.dumps(body))
        response = connection.getresponse()
        text = response.read()
        if response.status != http.client.OK:
            raise http.client.HTTPException(text.decode(errors="replace"))
        return json.loads(text)
    finally:
        connection.close()


def encoded(text):
    return base64.b64encode(text.encode()).decode()


def put(endpoint, key, value, limit_s=1.0):
    return call(endpoint, "/v3/kv/put", {"key": encoded(key), "value": encoded(value)}, limit_s)


def status(endpoint, limit_s=1.0):
    return call(endpoint, "/v3/maintenance/status", {}, limit_s)
