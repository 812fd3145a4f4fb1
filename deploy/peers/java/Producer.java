import com.google.common.util.concurrent.ListenableFuture;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import software.amazon.awssdk.auth.credentials.AwsBasicCredentials;
import software.amazon.awssdk.auth.credentials.StaticCredentialsProvider;
import software.amazon.kinesis.producer.KinesisProducer;
import software.amazon.kinesis.producer.KinesisProducerConfiguration;
import software.amazon.kinesis.producer.UserRecordResult;

/** Puts numbered records by the KPL, which aggregates them, over TLS. Arguments: HOST PORT STREAM COUNT KEYID SECRET. */
public final class Producer {
    public static void main(String[] args) throws Exception {
        int count = Integer.parseInt(args[3]);
        var producer = new KinesisProducer(new KinesisProducerConfiguration()
                .setKinesisEndpoint(args[0]).setKinesisPort(Integer.parseInt(args[1])).setVerifyCertificate(false)
                .setRegion("eu-central-1")
                .setMetricsLevel("detailed").setMetricsUploadDelay(1000).setCloudwatchEndpoint(args[0]).setCloudwatchPort(Integer.parseInt(args[1]))
                .setStsEndpoint(args[0]).setStsPort(Integer.parseInt(args[1])).setLogLevel("warning")
                .setCredentialsProvider(StaticCredentialsProvider.create(AwsBasicCredentials.create(args[4], args[5]))));
        List<ListenableFuture<UserRecordResult>> all = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            String key = "order-" + i % 20;
            all.add(producer.addUserRecord(args[2], key, ByteBuffer.wrap((key + " " + i / 20).getBytes(StandardCharsets.UTF_8))));
        }
        producer.flushSync();
        Thread.sleep(2500); // until it has told its metrics
        for (var one : all) {
            if (!one.get().isSuccessful()) {
                throw new IllegalStateException("a record was not put");
            }
        }
        producer.destroy();
        System.out.println("put " + count);
    }
}
