package keyfold.peers;

import java.io.PrintWriter;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.core.execution.JobClient;
import org.apache.flink.runtime.execution.ExecutionState;
import org.apache.flink.runtime.executiongraph.AccessExecutionGraph;
import org.apache.flink.runtime.executiongraph.AccessExecutionJobVertex;
import org.apache.flink.runtime.executiongraph.AccessExecutionVertex;
import org.apache.flink.runtime.minicluster.MiniCluster;
import org.apache.flink.runtime.minicluster.MiniClusterConfiguration;
import org.apache.flink.runtime.util.EnvironmentInformation;
import org.apache.flink.table.api.EnvironmentSettings;
import org.apache.flink.table.api.TableEnvironment;

/**
 * Runs SQL statements (a source, a sink, an INSERT at the end) on a cluster in this JVM.
 *
 * <p>Arguments: a file with the statements, split by semicolons; where the table goes, as CSV;
 * the number of slots; seconds to wait; then settings as key=value. Prints version and milliseconds, from the first
 * source task that is running to the last sink that has seen the end.
 */
public final class FlinkPeer {
    public static void main(String[] arguments) throws Exception {
        String[] statements = Files.readString(Path.of(arguments[0])).split(";");
        int slots = Integer.parseInt(arguments[2]);
        long timeoutSeconds = Long.parseLong(arguments[3]);
        Map<String, String> settings = new HashMap<>();
        for (String each : Arrays.asList(arguments).subList(4, arguments.length)) {
            int at = each.indexOf('=');
            settings.put(each.substring(0, at), each.substring(at + 1));
        }
        Configuration configuration = Configuration.fromMap(settings);
        MiniClusterConfiguration shape =
                new MiniClusterConfiguration.Builder()
                        .setConfiguration(configuration)
                        .setNumTaskManagers(1)
                        .setNumSlotsPerTaskManager(slots)
                        .build();
        try (MiniCluster cluster = new MiniCluster(shape)) {
            cluster.start();
            URI rest = cluster.getRestAddress().get();
            settings.put("execution.target", "remote");
            settings.put("rest.address", rest.getHost());
            settings.put("rest.port", String.valueOf(rest.getPort()));
            TableEnvironment environment =
                    TableEnvironment.create(
                            EnvironmentSettings.newInstance()
                                    .inStreamingMode()
                                    .withConfiguration(Configuration.fromMap(settings))
                                    .build());
            JobClient job = null;
            for (String statement : statements) {
                if (!statement.isBlank()) {
                    job = environment.executeSql(statement).getJobClient().orElse(null);
                }
            }
            job.getJobExecutionResult().get(timeoutSeconds, TimeUnit.SECONDS);
            AccessExecutionGraph graph = cluster.getExecutionGraph(job.getJobID()).get();
            write(Path.of(arguments[1]));
            long ran = LastRowSinkFactory.ENDED_MS.get() - started(graph);
            System.out.println(EnvironmentInformation.getVersion() + " " + ran);
        }
        System.exit(0);
    }

    private static long started(AccessExecutionGraph graph) {
        long first = Long.MAX_VALUE;
        for (AccessExecutionJobVertex vertex : graph.getVerticesTopologically()) {
            if (vertex.getName().startsWith("Source")) {
                for (AccessExecutionVertex task : vertex.getTaskVertices()) {
                    long at = task.getStateTimestamp(ExecutionState.RUNNING);
                    first = Math.min(first, at);
                }
            }
        }
        return first;
    }

    private static void write(Path output) throws Exception {
        try (PrintWriter out = new PrintWriter(Files.newBufferedWriter(output))) {
            out.println(LastRowSinkFactory.WRITERS.iterator().next().header());
            LastRowSinkFactory.WRITERS.forEach(each -> each.print(out));
        }
    }
}
