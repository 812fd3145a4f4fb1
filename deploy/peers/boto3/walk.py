"""Walks every operation that boto3 knows of Kinesis against one gateway, and
wants what each answers to be right. It prints what it saw as one line of JSON.

    walk.py URL STREAM [KEY_ID SECRET]

AWS_CA_BUNDLE names the authority where the URL is https."""

import datetime
import json
import sys
import threading
import time

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

url, name = sys.argv[1], sys.argv[2]
key, secret = (sys.argv[3:] + ["any", "thing"])[:2]
k = boto3.client("kinesis", endpoint_url=url, region_name="eu-central-1", aws_access_key_id=key, aws_secret_access_key=secret,
                 config=Config(retries={"mode": "standard", "total_max_attempts": 12}, read_timeout=15))
called, unknown = set(), set()
k.meta.events.register("after-call.kinesis.*", lambda model, **_: called.add(model.name))


def want(got, wanted, what):
    if got != wanted:
        raise AssertionError(f"{what}: got {got!r}, want {wanted!r}")


def refused(code, call, **arguments):
    """Wants a call to be refused with that code."""
    try:
        call(**arguments)
    except ClientError as e:
        want(e.response["Error"]["Code"], code, call.__name__)
        return e.response["Error"]["Message"]
    raise AssertionError(f"{call.__name__} was not refused with {code}")


def offered(call, **arguments):
    """What a call answers, None where the gateway does not know the operation."""
    try:
        return call(**arguments)
    except ClientError as e:
        if e.response["Error"]["Code"] != "UnknownOperationException":
            raise
        unknown.add(call.__name__)
        return None


def summary(stream):
    return k.describe_stream_summary(StreamName=stream)["StreamDescriptionSummary"]


def life():
    """A stream, its tags, its settings."""
    k.create_stream(StreamName=name, ShardCount=2, Tags={"site": "north"})
    k.get_waiter("stream_exists").wait(StreamName=name, WaiterConfig={"Delay": 1})
    in_use = refused("ResourceInUseException", k.create_stream, StreamName=name, ShardCount=1)
    want(in_use, f"Stream {name} under account 000000000000 already exists.", "the text")
    d = k.describe_stream(StreamName=name)["StreamDescription"]
    want((d["StreamStatus"], len(d["Shards"]), d["RetentionPeriodHours"]), ("ACTIVE", 2, 24), "describe_stream")
    age = datetime.datetime.now(datetime.timezone.utc) - d["StreamCreationTimestamp"]
    want(abs(age.total_seconds()) < 60, True, "the stream's age")
    arn = d["StreamARN"]
    want(summary(name)["OpenShardCount"], 2, "open shards")
    for i in range(3):
        k.create_stream(StreamName=f"{name}-{i}", ShardCount=1)
    pages = [p["StreamNames"] for p in k.get_paginator("list_streams").paginate(PaginationConfig={"PageSize": 1})]
    want(sum(pages, [])[-4:], [name] + [f"{name}-{i}" for i in range(3)], "list_streams by pages")
    want(k.describe_limits()["OpenShardCount"] >= 5, True, "describe_limits")
    k.add_tags_to_stream(StreamName=name, Tags={"a": "1", "ünï": "b"})
    k.tag_resource(ResourceARN=arn, Tags={"c": "3"})
    want([t["Key"] for t in k.list_tags_for_stream(StreamName=name)["Tags"]], ["a", "c", "site", "ünï"], "tags")
    k.remove_tags_from_stream(StreamName=name, TagKeys=["a", "not-there"])
    k.untag_resource(ResourceARN=arn, TagKeys=["c"])
    want({t["Key"]: t["Value"] for t in k.list_tags_for_resource(ResourceARN=arn)["Tags"]}, {"site": "north", "ünï": "b"}, "tags left")
    k.increase_stream_retention_period(StreamName=name, RetentionPeriodHours=48)
    want(summary(name)["RetentionPeriodHours"], 48, "retention")
    k.decrease_stream_retention_period(StreamName=name, RetentionPeriodHours=24)
    want(k.enable_enhanced_monitoring(StreamName=name, ShardLevelMetrics=["IncomingBytes"])["DesiredShardLevelMetrics"], ["IncomingBytes"], "monitoring")
    k.disable_enhanced_monitoring(StreamName=name, ShardLevelMetrics=["ALL"])
    k.start_stream_encryption(StreamName=name, EncryptionType="KMS", KeyId="alias/aws/kinesis")
    want(summary(name)["EncryptionType"], "KMS", "encryption")
    k.stop_stream_encryption(StreamName=name, EncryptionType="KMS", KeyId="alias/aws/kinesis")
    refused("ResourceNotFoundException", k.describe_stream, StreamName="not-there")
    return arn


def capacity(arn):
    """What on-demand streams and accounts are set to."""
    other, short = arn + "-0", name + "-0"
    offered(k.update_stream_mode, StreamARN=other, StreamModeDetails={"StreamMode": "ON_DEMAND"})
    if offered(k.update_stream_record_distribution_strategy, StreamARN=other, RecordDistributionStrategy="AUTO"):
        want(summary(short)["RecordDistributionStrategy"], "AUTO", "distribution")
        k.put_record(StreamName=short, Data=b"without a key")
    if offered(k.describe_account_settings):
        offered(k.update_account_settings, MinimumThroughputBillingCommitment={"Status": "ENABLED"})
        offered(k.update_stream_warm_throughput, StreamARN=other, WarmThroughputMiBps=8)
    if offered(k.update_max_record_size, StreamARN=arn, MaxRecordSizeInKiB=2048):
        want(summary(name)["MaxRecordSizeInKiB"], 2048, "size of records")
        k.put_record(StreamName=name, PartitionKey="large", Data=bytes(1536 << 10))


def policy(arn):
    text = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::000000000000:root"},
                                                               "Action": ["kinesis:DescribeStreamSummary"], "Resource": arn}]})
    if offered(k.put_resource_policy, ResourceARN=arn, Policy=text) is None:
        offered(k.get_resource_policy, ResourceARN=arn)
        offered(k.delete_resource_policy, ResourceARN=arn)
        return
    want(json.loads(k.get_resource_policy(ResourceARN=arn)["Policy"]), json.loads(text), "policy")
    k.delete_resource_policy(ResourceARN=arn)


def all_shards():
    """The shards, one a page: a token comes alone, so that boto3's own paginator cannot do it."""
    page = k.list_shards(StreamName=name, MaxResults=1)
    while True:
        yield from page["Shards"]
        if "NextToken" not in page:
            return
        page = k.list_shards(NextToken=page["NextToken"], MaxResults=1)


def records(arn):
    """Puts 620 records, and reads them from both shards."""
    first = k.put_record(StreamName=name, PartitionKey="key-0", Data=b"data-0")
    again = k.put_record(StreamARN=arn, PartitionKey="key-0", Data=b"data-1", ExplicitHashKey=str((1 << 128) - 1), SequenceNumberForOrdering=first["SequenceNumber"])
    want(again["ShardId"], "shardId-000000000001", "the hash's shard")
    sent = {b"data-0", b"data-1"}
    for at in range(2, 620, 309):
        batch = [{"PartitionKey": f"ünï-{i}", "Data": f"data-{i}".encode()} for i in range(at, at + 309)]
        answer = k.put_records(StreamName=name, Records=batch)
        want((answer["FailedRecordCount"], len(answer["Records"])), (0, 309), "put_records")
        sent |= {r["Data"] for r in batch}
    got, closed = {}, {}
    for shard in all_shards():
        got[shard["ShardId"]] = read(shard["ShardId"])
    data = [r["Data"] for shard in got.values() for r in shard if len(r["Data"]) < 100]
    want((set(data), len(data)), (sent, 620), "what was read")
    for shard in got.values():
        numbers = [int(r["SequenceNumber"]) for r in shard]
        want(numbers, sorted(set(numbers)), "the order of a shard")
    refused("InvalidArgumentException", k.get_records, ShardIterator="bm90IG9uZQ==")
    return got


def read(shard):
    """A shard's records up to its tip."""
    at = k.get_shard_iterator(StreamName=name, ShardId=shard, ShardIteratorType="TRIM_HORIZON")["ShardIterator"]
    out = []
    while True:
        answer = k.get_records(ShardIterator=at)
        out += answer["Records"]
        at = answer.get("NextShardIterator")
        if at is None or answer["MillisBehindLatest"] == 0:
            return out


def fan_out(arn, read_before):
    """A consumer, and what it is pushed over HTTP/1.1."""
    one = k.register_stream_consumer(StreamARN=arn, ConsumerName="boto3", Tags={"a": "b"})["Consumer"]
    consumer = one["ConsumerARN"]
    while k.describe_stream_consumer(ConsumerARN=consumer)["ConsumerDescription"]["ConsumerStatus"] != "ACTIVE":
        time.sleep(0.2)
    want([c["ConsumerName"] for p in k.get_paginator("list_stream_consumers").paginate(StreamARN=arn) for c in p["Consumers"]], ["boto3"], "consumers")
    refused("ResourceInUseException", k.register_stream_consumer, StreamARN=arn, ConsumerName="boto3")
    shard = "shardId-000000000000"
    wanted = [(r["SequenceNumber"], r["PartitionKey"], r["Data"]) for r in read_before[shard]]
    pushed, closed = [], None
    for event in k.subscribe_to_shard(ConsumerARN=consumer, ShardId=shard, StartingPosition={"Type": "TRIM_HORIZON"})["EventStream"]:
        e = event["SubscribeToShardEvent"]
        pushed += [(r["SequenceNumber"], r["PartitionKey"], r["Data"]) for r in e["Records"]]
        if len(pushed) == len(wanted) and closed is None:
            closed = threading.Thread(target=k.split_shard, kwargs={"StreamName": name, "ShardToSplit": shard, "NewStartingHashKey": "1000"})
            closed.start()
        if "ContinuationSequenceNumber" not in e:  # the end of a shard that was split
            want([c["ShardId"] for c in e["ChildShards"]], ["shardId-000000000002", "shardId-000000000003"], "children")
            break
    closed.join()
    want(pushed, wanted, "what was pushed")
    k.deregister_stream_consumer(ConsumerARN=consumer)
    return len(pushed)


def shards(arn):
    k.merge_shards(StreamName=name, ShardToMerge="shardId-000000000002", AdjacentShardToMerge="shardId-000000000003")
    want([s["ShardId"] for s in k.list_shards(StreamName=name, ShardFilter={"Type": "AT_LATEST"})["Shards"]], ["shardId-000000000001", "shardId-000000000004"], "open shards")
    want(k.update_shard_count(StreamARN=arn, TargetShardCount=4, ScalingType="UNIFORM_SCALING")["TargetShardCount"], 4, "update_shard_count")
    k.get_waiter("stream_exists").wait(StreamName=name, WaiterConfig={"Delay": 1})
    want(summary(name)["OpenShardCount"], 4, "open shards")


arn = life()
read_before = records(arn)
capacity(arn)
policy(arn)
pushed = fan_out(arn, read_before)
shards(arn)
for i in range(3):
    k.delete_stream(StreamName=f"{name}-{i}", EnforceConsumerDeletion=True)
k.delete_stream(StreamARN=arn)
k.get_waiter("stream_not_exists").wait(StreamName=name, WaiterConfig={"Delay": 1})
known = set(k.meta.service_model.operation_names)
print(json.dumps({"called": sorted(called), "left": sorted(known - called), "unknown": sorted(unknown), "pushed": pushed}))
