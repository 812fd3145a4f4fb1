// Does a delivery stream's whole life with the unmodified JavaScript SDK and
// its default handler, and prints what it saw as one JSON object.
import {
  FirehoseClient, CreateDeliveryStreamCommand, DeleteDeliveryStreamCommand, DescribeDeliveryStreamCommand, ListDeliveryStreamsCommand,
  ListTagsForDeliveryStreamCommand, PutRecordBatchCommand, PutRecordCommand, TagDeliveryStreamCommand, UpdateDestinationCommand,
} from '@aws-sdk/client-firehose'

const [endpoint, accessKeyId, secretAccessKey] = process.argv.slice(2)
const client = new FirehoseClient({ endpoint, region: 'us-west-2', credentials: { accessKeyId, secretAccessKey } })
const DeliveryStreamName = 'from-javascript'
const seen = { refused: '' }

const made = await client.send(new CreateDeliveryStreamCommand({
  DeliveryStreamName,
  ExtendedS3DestinationConfiguration: {
    BucketARN: 'arn:aws:s3:::lake', RoleARN: 'arn:aws:iam::000000000000:role/r', CompressionFormat: 'GZIP',
    BufferingHints: { SizeInMBs: 7, IntervalInSeconds: 60 },
  },
}))
seen.arn = made.DeliveryStreamARN
seen.names = (await client.send(new ListDeliveryStreamsCommand({}))).DeliveryStreamNames
await client.send(new PutRecordCommand({ DeliveryStreamName, Record: { Data: Buffer.from([0, 255]) } }))
const put = await client.send(new PutRecordBatchCommand({
  DeliveryStreamName, Records: Array.from({ length: 500 }, (_, i) => ({ Data: Buffer.from(`data-${i}`) })),
}))
seen.failed = put.FailedPutCount
seen.ids = new Set(put.RequestResponses.map((r) => r.RecordId)).size
await client.send(new TagDeliveryStreamCommand({ DeliveryStreamName, Tags: [{ Key: 'ключ', Value: 'ü' }] }))
seen.tags = (await client.send(new ListTagsForDeliveryStreamCommand({ DeliveryStreamName }))).Tags
await client.send(new UpdateDestinationCommand({
  DeliveryStreamName, CurrentDeliveryStreamVersionId: '1', DestinationId: 'destinationId-000000000001',
  ExtendedS3DestinationUpdate: { Prefix: 'x/' },
}))
const described = (await client.send(new DescribeDeliveryStreamCommand({ DeliveryStreamName }))).DeliveryStreamDescription
seen.status = described.DeliveryStreamStatus
seen.version = described.VersionId
seen.ageSeconds = (Date.now() - described.CreateTimestamp.getTime()) / 1000
const s3 = described.Destinations[0].ExtendedS3DestinationDescription
seen.destination = [s3.BucketARN, s3.CompressionFormat, s3.Prefix, s3.BufferingHints.SizeInMBs]
try {
  await client.send(new CreateDeliveryStreamCommand({ DeliveryStreamName }))
} catch (e) {
  seen.refused = e.name
}
await client.send(new DeleteDeliveryStreamCommand({ DeliveryStreamName }))
console.log(JSON.stringify(seen))
