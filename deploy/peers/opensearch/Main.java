import org.codelibs.opensearch.runner.OpenSearchRunner;

/** OpenSearch, one node on loopback, for the tests: Main FOLDER. It prints its port and runs until its input ends. */
public final class Main {
    public static void main(String[] args) throws Exception {
        OpenSearchRunner runner = new OpenSearchRunner();
        runner.onBuild((number, settings) -> {
            settings.put("network.host", "127.0.0.1");
        }).build(OpenSearchRunner.newConfigs().numOfNode(1).clusterName("headgate-" + ProcessHandle.current().pid()).basePath(args[0]).disableESLogger());
        runner.ensureYellow();
        System.out.println("ready " + runner.getNode(0).settings().get("http.port"));
        while (System.in.read() >= 0) {
        }
        runner.close();
        System.exit(0);
    }
}
