"""Publishes by boto3's client of the IoT data plane. publish.py BASE KEY"""
import sys

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

base, key = sys.argv[1:]
iot = boto3.client("iot-data", endpoint_url=base, region_name="us-east-1", aws_access_key_id="any",
                   aws_secret_access_key="any", config=Config(retries={"max_attempts": 1}))
iot.meta.events.register("before-sign.iot-data.Publish", lambda request, **_: request.headers.add_header("X-Site-Key", key))
iot.publish(topic="pump/7/alarm", qos=1, payload=b"on")
iot.publish(topic="pump/7/raw", payload=b"\x00\x01\xff", contentType="application/octet-stream")
iot.publish(topic="pump/7//empty level", qos=0, payload="deep")
try:
    iot.publish(topic="other/1", qos=1, payload=b"x")
except ClientError as e:
    print(e.response["ResponseMetadata"]["HTTPStatusCode"])
