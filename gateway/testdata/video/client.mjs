// Drives the gateway with the AWS SDK for JavaScript: one step for each run.
// node client.mjs ENDPOINT KEY SECRET FOLDER STEP [ARGUMENTS AS JSON]
// Prints one line of JSON; media go into files of the folder.
import { createWriteStream } from 'node:fs'
import { join } from 'node:path'
import { once } from 'node:events'
import * as control from '@aws-sdk/client-kinesis-video'
import * as media from '@aws-sdk/client-kinesis-video-media'
import * as archive from '@aws-sdk/client-kinesis-video-archived-media'

const [endpoint, accessKeyId, secretAccessKey, folder, step, text = '{}'] = process.argv.slice(2)
const args = JSON.parse(text)
const options = { endpoint, region: 'eu-central-1', credentials: { accessKeyId, secretAccessKey }, maxAttempts: 1 }
const kv = new control.KinesisVideoClient(options)

// at is a client for the address that GetDataEndpoint answers.
async function at(Client, APIName) {
  const { DataEndpoint } = await kv.send(new control.GetDataEndpointCommand({ StreamName: args.StreamName, APIName }))
  return new Client({ ...options, endpoint: DataEndpoint })
}
// refused is what an operation is refused with.
async function refused(promise) {
  try { await promise; return 'accepted' } catch (e) { return [e.name, e.$metadata?.httpStatusCode, e.message].join(' | ') }
}
// save writes a payload into a file, until it ends or has so many bytes.
async function save(payload, name, bytes = Infinity) {
  const out = createWriteStream(join(folder, name))
  let n = 0
  for await (const b of payload) {
    out.write(b)
    if ((n += b.length) >= bytes) break
  }
  out.end()
  await once(out, 'close')
  return n
}
// range makes dates of the milliseconds of the arguments.
const range = () => ({ StartTimestamp: new Date(args.From), EndTimestamp: new Date(args.To) })

const steps = {
  async control() {
    const seen = { streams: [], pages: 0 }
    const create = more => kv.send(new control.CreateStreamCommand({ StreamName: args.StreamName, DeviceName: 'camera-1', MediaType: 'video/h264', DataRetentionInHours: 48, Tags: { place: 'door' }, ...more }))
    seen.arn = (await create()).StreamARN
    seen.again = await refused(create())
    seen.short = await refused(create({ StreamName: 'short', DataRetentionInHours: 3 }))
    seen.named = await refused(create({ StreamName: 'not a name' }))
    for (const StreamName of ['yard', 'gate']) await kv.send(new control.CreateStreamCommand({ StreamName }))
    for await (const page of control.paginateListStreams({ client: kv, pageSize: 2 }, {})) {
      seen.pages++
      seen.streams.push(...page.StreamInfoList.map(s => s.StreamName))
    }
    seen.prefix = (await kv.send(new control.ListStreamsCommand({ StreamNameCondition: { ComparisonOperator: 'BEGINS_WITH', ComparisonValue: 'ya' } }))).StreamInfoList.map(s => s.StreamName)
    const describe = async () => (await kv.send(new control.DescribeStreamCommand({ StreamARN: seen.arn }))).StreamInfo
    const before = await describe()
    const retain = (CurrentVersion, Operation, hours) => kv.send(new control.UpdateDataRetentionCommand({ CurrentVersion, Operation, DataRetentionChangeInHours: hours, StreamName: args.StreamName }))
    await retain(before.Version, 'INCREASE_DATA_RETENTION', 24)
    const after = await describe()
    Object.assign(seen, { status: after.Status, device: after.DeviceName, media: after.MediaType, before: before.DataRetentionInHours, after: after.DataRetentionInHours, age: (Date.now() - after.CreationTime) / 1000 })
    seen.stale = await refused(retain(before.Version, 'INCREASE_DATA_RETENTION', 24))
    seen.less = await refused(retain(after.Version, 'DECREASE_DATA_RETENTION', 70))
    await kv.send(new control.TagStreamCommand({ StreamName: args.StreamName, Tags: { floor: '1' } }))
    await kv.send(new control.UntagStreamCommand({ StreamName: args.StreamName, TagKeyList: ['place'] }))
    seen.tags = (await kv.send(new control.ListTagsForStreamCommand({ StreamName: args.StreamName }))).Tags
    seen.unknown = await refused(kv.send(new control.DescribeStreamCommand({ StreamName: 'nobody' })))
    const { DataEndpoint } = await kv.send(new control.GetDataEndpointCommand({ StreamName: args.StreamName, APIName: 'PUT_MEDIA' }))
    seen.endpoint = DataEndpoint
    const stranger = new control.KinesisVideoClient({ ...options, credentials: { accessKeyId, secretAccessKey: 'wrong' } })
    seen.stranger = await refused(stranger.send(new control.ListStreamsCommand({})))
    await kv.send(new control.DeleteStreamCommand({ StreamARN: (await kv.send(new control.DescribeStreamCommand({ StreamName: 'gate' }))).StreamInfo.StreamARN }))
    seen.deleted = await refused(kv.send(new control.DescribeStreamCommand({ StreamName: 'gate' })))
    return seen
  },
  async remove() {
    const { StreamInfo } = await kv.send(new control.DescribeStreamCommand({ StreamName: args.StreamName }))
    await kv.send(new control.DeleteStreamCommand({ StreamARN: StreamInfo.StreamARN, CurrentVersion: StreamInfo.Version }))
    return {}
  },
  async fragments() {
    const client = await at(archive.KinesisVideoArchivedMediaClient, 'LIST_FRAGMENTS')
    const seen = { fragments: [], pages: 0 }
    const FragmentSelector = { FragmentSelectorType: args.Clock, TimestampRange: range() }
    for await (const page of archive.paginateListFragments({ client, pageSize: args.Page }, { StreamName: args.StreamName, FragmentSelector })) {
      seen.pages++
      seen.fragments.push(...page.Fragments.map(f => ({ number: f.FragmentNumber, bytes: f.FragmentSizeInBytes, producer: +f.ProducerTimestamp, server: +f.ServerTimestamp, length: f.FragmentLengthInMilliseconds })))
    }
    return seen
  },
  async list() {
    const client = await at(archive.KinesisVideoArchivedMediaClient, 'GET_MEDIA_FOR_FRAGMENT_LIST')
    const out = await client.send(new archive.GetMediaForFragmentListCommand({ StreamName: args.StreamName, Fragments: args.Fragments }))
    return { type: out.ContentType, bytes: await save(out.Payload, 'list.mkv') }
  },
  async media() {
    const client = await at(media.KinesisVideoMediaClient, 'GET_MEDIA')
    const StartSelector = { ...args.Selector }
    if (StartSelector.StartTimestamp) StartSelector.StartTimestamp = new Date(StartSelector.StartTimestamp)
    const out = await client.send(new media.GetMediaCommand({ StreamName: args.StreamName, StartSelector }))
    const bytes = await save(out.Payload, 'media.mkv', args.Bytes)
    return { type: out.ContentType, bytes }
  },
  async clip() {
    const client = await at(archive.KinesisVideoArchivedMediaClient, 'GET_CLIP')
    const ask = span => client.send(new archive.GetClipCommand({ StreamName: args.StreamName, ClipFragmentSelector: { FragmentSelectorType: args.Clock, TimestampRange: span } }))
    const none = await refused(ask({ StartTimestamp: new Date(1000), EndTimestamp: new Date(2000) }))
    try {
      const out = await ask(range())
      return { type: out.ContentType, bytes: await save(out.Payload, 'clip.mp4'), none }
    } catch (e) { return { refused: e.name, none } }
  },
  async hls() {
    const client = await at(archive.KinesisVideoArchivedMediaClient, 'GET_HLS_STREAMING_SESSION_URL')
    const input = { StreamName: args.StreamName, PlaybackMode: args.Mode }
    if (args.Mode === 'ON_DEMAND') input.HLSFragmentSelector = { FragmentSelectorType: args.Clock, TimestampRange: range() }
    const replay = await refused(client.send(new archive.GetHLSStreamingSessionURLCommand({ ...input, PlaybackMode: 'LIVE_REPLAY' })))
    return { url: (await client.send(new archive.GetHLSStreamingSessionURLCommand(input))).HLSStreamingSessionURL, replay }
  },
}
try {
  console.log(JSON.stringify(await steps[step]()))
  process.exit(0)
} catch (e) {
  console.error(e)
  process.exit(1)
}
