// Does a stream's whole life with the unmodified JavaScript SDK and its
// default handler, and prints what it saw as one JSON object.
import {
  KinesisClient, CreateStreamCommand, DeleteStreamCommand, DescribeStreamCommand, GetRecordsCommand,
  GetShardIteratorCommand, ListShardsCommand, ListStreamsCommand, PutRecordCommand, PutRecordsCommand,
  RegisterStreamConsumerCommand, SubscribeToShardCommand,
} from '@aws-sdk/client-kinesis'

const [endpoint, accessKeyId, secretAccessKey] = process.argv.slice(2)
const client = new KinesisClient({ endpoint, region: 'us-west-2', credentials: { accessKeyId, secretAccessKey } })
const StreamName = 'from-javascript'
const seen = { records: [], pushed: [], wrongSecret: '' }

await client.send(new CreateStreamCommand({ StreamName, ShardCount: 1 }))
seen.streams = (await client.send(new ListStreamsCommand({}))).StreamNames
const described = (await client.send(new DescribeStreamCommand({ StreamName }))).StreamDescription
seen.arn = described.StreamARN
seen.ageSeconds = (Date.now() - described.StreamCreationTimestamp.getTime()) / 1000

const put = await client.send(new PutRecordsCommand({
  StreamName,
  Records: Array.from({ length: 500 }, (_, i) => ({ PartitionKey: `key-${i}`, Data: Buffer.from(`data-${i}`) })),
}))
seen.failed = put.FailedRecordCount
await client.send(new PutRecordCommand({ StreamName, PartitionKey: 'ünï', Data: Buffer.from([0, 255]) }))

const { Shards } = await client.send(new ListShardsCommand({ StreamARN: seen.arn }))
let { ShardIterator } = await client.send(new GetShardIteratorCommand({
  StreamName, ShardId: Shards[0].ShardId, ShardIteratorType: 'AT_TIMESTAMP', Timestamp: described.StreamCreationTimestamp,
}))
for (;;) {
  const page = await client.send(new GetRecordsCommand({ ShardIterator, Limit: 300 }))
  if (page.Records.length === 0) break
  for (const r of page.Records) seen.records.push([r.PartitionKey, Buffer.from(r.Data).toString('hex')])
  ShardIterator = page.NextShardIterator
}
const { Consumer } = await client.send(new RegisterStreamConsumerCommand({ StreamARN: seen.arn, ConsumerName: 'app' }))
const { EventStream } = await client.send(new SubscribeToShardCommand({
  ConsumerARN: Consumer.ConsumerARN, ShardId: Shards[0].ShardId, StartingPosition: { Type: 'TRIM_HORIZON' },
}))
for await (const { SubscribeToShardEvent: e } of EventStream) {
  for (const r of e.Records) seen.pushed.push([r.PartitionKey, Buffer.from(r.Data).toString('hex')])
  seen.continuation = e.ContinuationSequenceNumber
  if (seen.pushed.length >= seen.records.length) break
}
await client.send(new DeleteStreamCommand({ StreamName, EnforceConsumerDeletion: true }))

const stranger = new KinesisClient({ endpoint, region: 'us-west-2', credentials: { accessKeyId, secretAccessKey: 'wrong' } })
try {
  await stranger.send(new ListStreamsCommand({}))
} catch (e) {
  seen.wrongSecret = e.name
}
console.log(JSON.stringify(seen))
client.destroy()
stranger.destroy()
