package keyfold.peers;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.LongAdder;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.utils.AppInfoParser;
import org.apache.kafka.common.utils.Bytes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.KeyValue;
import org.apache.kafka.streams.StoreQueryParameters;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.kstream.Repartitioned;
import org.apache.kafka.streams.processor.api.FixedKeyProcessor;
import org.apache.kafka.streams.processor.api.FixedKeyProcessorContext;
import org.apache.kafka.streams.processor.api.FixedKeyRecord;
import org.apache.kafka.streams.state.KeyValueIterator;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.QueryableStoreTypes;

/**
 * SELECT user_id, COUNT(*), SUM(amount), MAX(ts) GROUP BY user_id, in the DSL of Kafka Streams.
 *
 * <p>Arguments: the topic, its number of events, where the table goes, seconds to wait; then settings
 * as key=value. Prints version and milliseconds, from the first event to the commit of the last.
 */
public final class StreamsPeer {
    record Order(String userId, long amount, long ts) {}

    private static final JsonFactory JSON = new JsonFactory();
    private static final AtomicLong STARTED_NS = new AtomicLong();
    private static final LongAdder COUNTED = new LongAdder();
    private static final Map<TopicPartition, Long> NEXT = new ConcurrentHashMap<>();

    public static void main(String[] arguments) throws Exception {
        String topic = arguments[0];
        long events = Long.parseLong(arguments[1]);
        long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(Long.parseLong(arguments[3]));
        Properties settings = new Properties();
        for (int i = 4; i < arguments.length; i++) {
            int at = arguments[i].indexOf('=');
            settings.put(arguments[i].substring(0, at), arguments[i].substring(at + 1));
        }
        try (KafkaStreams streams = new KafkaStreams(topology(topic).build(), settings);
                Admin admin = Admin.create(Map.of("bootstrap.servers",
                        settings.get("bootstrap.servers")))) {
            streams.start();
            while (COUNTED.sum() < events) {
                pause(deadline, 2);
            }
            while (!committed(admin, settings.getProperty(StreamsConfig.APPLICATION_ID_CONFIG))) {
                pause(deadline, 10);
            }
            long ran = (System.nanoTime() - STARTED_NS.get()) / 1_000_000;
            write(streams, Path.of(arguments[2]));
            System.out.println(AppInfoParser.getVersion() + " " + ran);
        }
        System.exit(0);
    }

    private static StreamsBuilder topology(String topic) {
        StreamsBuilder builder = new StreamsBuilder();
        builder.stream(topic, Consumed.with(Serdes.ByteArray(), Serdes.ByteArray()))
                .map((key, value) -> {
                    Order order = order(value);
                    return KeyValue.pair(order.userId(), longs(order.amount(), order.ts()));
                })
                .repartition(Repartitioned.<String, byte[]>as("by-user")
                        .withKeySerde(Serdes.String())
                        .withValueSerde(Serdes.ByteArray()))
                .processValues(Marked::new)
                .groupByKey()
                .aggregate(
                        () -> longs(0, 0, Long.MIN_VALUE),
                        (key, value, sum) -> {
                            ByteBuffer in = ByteBuffer.wrap(value);
                            ByteBuffer old = ByteBuffer.wrap(sum);
                            COUNTED.increment();
                            return longs(old.getLong(0) + 1, old.getLong(8) + in.getLong(0),
                                    Math.max(old.getLong(16), in.getLong(8)));
                        },
                        Materialized.<String, byte[], KeyValueStore<Bytes, byte[]>>as("totals")
                                .withKeySerde(Serdes.String())
                                .withValueSerde(Serdes.ByteArray()));
        return builder;
    }

    /** Notes how far the events have come that go into the table. */
    private static final class Marked implements FixedKeyProcessor<String, byte[], byte[]> {
        private FixedKeyProcessorContext<String, byte[]> context;

        @Override
        public void init(FixedKeyProcessorContext<String, byte[]> given) {
            context = given;
        }

        @Override
        public void process(FixedKeyRecord<String, byte[]> event) {
            context.recordMetadata().ifPresent(
                    at -> NEXT.put(new TopicPartition(at.topic(), at.partition()), at.offset() + 1));
            context.forward(event);
        }
    }

    private static Order order(byte[] value) {
        if (STARTED_NS.get() == 0) {
            STARTED_NS.compareAndSet(0, System.nanoTime());
        }
        String user = null;
        long amount = 0;
        long ts = 0;
        try (JsonParser parser = JSON.createParser(value)) {
            parser.nextToken();
            while (parser.nextToken() == JsonToken.FIELD_NAME) {
                String name = parser.currentName();
                parser.nextToken();
                switch (name) {
                    case "user_id" -> user = parser.getText();
                    case "amount" -> amount = parser.getLongValue();
                    case "ts" -> ts = parser.getLongValue();
                    default -> parser.skipChildren();
                }
            }
        } catch (IOException error) {
            throw new UncheckedIOException(error);
        }
        return new Order(user, amount, ts);
    }

    private static byte[] longs(long... values) {
        ByteBuffer buffer = ByteBuffer.allocate(8 * values.length);
        for (long each : values) {
            buffer.putLong(each);
        }
        return buffer.array();
    }

    private static boolean committed(Admin admin, String application) throws Exception {
        Map<TopicPartition, OffsetAndMetadata> offsets = admin
                .listConsumerGroupOffsets(application)
                .partitionsToOffsetAndMetadata()
                .get(30, TimeUnit.SECONDS);
        return NEXT.entrySet().stream().allMatch(each -> {
            OffsetAndMetadata at = offsets.get(each.getKey());
            return at != null && at.offset() >= each.getValue();
        });
    }

    private static void write(KafkaStreams streams, Path output) throws Exception {
        var store = streams.store(StoreQueryParameters.fromNameAndType(
                "totals", QueryableStoreTypes.<String, byte[]>keyValueStore()));
        try (PrintWriter writer = new PrintWriter(Files.newBufferedWriter(output));
                KeyValueIterator<String, byte[]> rows = store.all()) {
            while (rows.hasNext()) {
                KeyValue<String, byte[]> row = rows.next();
                ByteBuffer sum = ByteBuffer.wrap(row.value);
                writer.println(row.key + "," + sum.getLong(0) + "," + sum.getLong(8) + ","
                        + sum.getLong(16));
            }
        }
    }

    private static void pause(long deadline, long milliseconds) throws Exception {
        if (System.nanoTime() > deadline) {
            throw new TimeoutException("the events were not applied in time");
        }
        Thread.sleep(milliseconds);
    }
}
