import java.io.PrintStream;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.util.UUID;
import software.amazon.awssdk.auth.credentials.AwsBasicCredentials;
import software.amazon.awssdk.auth.credentials.StaticCredentialsProvider;
import software.amazon.awssdk.regions.Region;
import software.amazon.awssdk.services.cloudwatch.CloudWatchAsyncClient;
import software.amazon.awssdk.services.dynamodb.DynamoDbAsyncClient;
import software.amazon.awssdk.services.kinesis.KinesisAsyncClient;
import software.amazon.kinesis.common.ConfigsBuilder;
import software.amazon.kinesis.common.InitialPositionInStream;
import software.amazon.kinesis.common.InitialPositionInStreamExtended;
import software.amazon.kinesis.common.KinesisClientUtil;
import software.amazon.kinesis.coordinator.Scheduler;
import software.amazon.kinesis.lifecycle.events.*;
import software.amazon.kinesis.metrics.MetricsLevel;
import software.amazon.kinesis.processor.ShardRecordProcessor;
import software.amazon.kinesis.processor.SingleStreamTracker;
import software.amazon.kinesis.retrieval.polling.PollingConfig;

/**
 * A consumer of a stream by the KCL: it prints shard, sequence number and data of each record, a line each, and then
 * checkpoints. Arguments: --endpoint URL --stream NAME --app NAME --worker NAME [--efo].
 */
public final class Worker {
    private static String argument(String[] args, String name, String otherwise) {
        for (int i = 0; i + 1 < args.length; i++) {
            if (args[i].equals(name)) {
                return args[i + 1];
            }
        }
        return otherwise;
    }

    public static void main(String[] args) {
        URI endpoint = URI.create(argument(args, "--endpoint", ""));
        String stream = argument(args, "--stream", ""), app = argument(args, "--app", "app");
        boolean efo = java.util.Arrays.asList(args).contains("--efo");
        var who = StaticCredentialsProvider.create(AwsBasicCredentials.create("any", "thing"));
        KinesisAsyncClient kinesis = KinesisClientUtil.createKinesisAsyncClient(
                KinesisAsyncClient.builder().region(Region.EU_CENTRAL_1).credentialsProvider(who).endpointOverride(endpoint));
        DynamoDbAsyncClient dynamo = DynamoDbAsyncClient.builder().region(Region.EU_CENTRAL_1).credentialsProvider(who).endpointOverride(endpoint).build();
        CloudWatchAsyncClient watch = CloudWatchAsyncClient.builder().region(Region.EU_CENTRAL_1).credentialsProvider(who).endpointOverride(endpoint).build();
        PrintStream out = new PrintStream(new java.io.FileOutputStream(java.io.FileDescriptor.out), false, StandardCharsets.UTF_8);
        var tracker = new SingleStreamTracker(stream, InitialPositionInStreamExtended.newInitialPosition(InitialPositionInStream.TRIM_HORIZON));
        var c = new ConfigsBuilder(tracker, app, kinesis, dynamo, watch, argument(args, "--worker", UUID.randomUUID().toString()), () -> new Processor(out));
        var retrieval = c.retrievalConfig();
        if (!efo) {
            retrieval.retrievalSpecificConfig(new PollingConfig(stream, kinesis));
        }
        var leases = c.leaseManagementConfig().failoverTimeMillis(4000).shardSyncIntervalMillis(1000);
        leases.workerUtilizationAwareAssignmentConfig().disableWorkerMetrics(true);
        var coordinator = c.coordinatorConfig().parentShardPollIntervalMillis(1000);
        var scheduler = new Scheduler(c.checkpointConfig(), coordinator, leases, c.lifecycleConfig(),
                c.metricsConfig().metricsBufferTimeMillis(1000).metricsLevel(MetricsLevel.valueOf(argument(args, "--metrics", "NONE"))), c.processorConfig(), retrieval);
        scheduler.run();
    }

    private static final class Processor implements ShardRecordProcessor {
        private final PrintStream out;
        private String shard;

        Processor(PrintStream out) {
            this.out = out;
        }

        public void initialize(InitializationInput in) {
            shard = in.shardId();
        }

        public void processRecords(ProcessRecordsInput in) {
            if (in.records().isEmpty()) {
                return;
            }
            synchronized (out) {
                in.records().forEach(r -> out.print(shard + " " + r.sequenceNumber() + " " + StandardCharsets.UTF_8.decode(r.data()) + "\n"));
                out.flush();
            }
            checkpoint(in.checkpointer());
        }

        private static void checkpoint(software.amazon.kinesis.processor.RecordProcessorCheckpointer at) {
            try {
                at.checkpoint();
            } catch (Exception e) {
                System.err.println("kcl: checkpoint: " + e);
            }
        }

        public void leaseLost(LeaseLostInput in) {}

        public void shardEnded(ShardEndedInput in) {
            checkpoint(in.checkpointer());
        }

        public void shutdownRequested(ShutdownRequestedInput in) {
            checkpoint(in.checkpointer());
        }
    }
}
