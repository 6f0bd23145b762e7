package keyfold.peers;

import java.io.PrintWriter;
import java.util.Arrays;
import java.util.Collection;
import java.util.HashMap;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.atomic.AtomicLong;
import java.util.stream.IntStream;
import org.apache.flink.api.connector.sink2.Sink;
import org.apache.flink.api.connector.sink2.SinkWriter;
import org.apache.flink.api.connector.sink2.WriterInitContext;
import org.apache.flink.configuration.ConfigOption;
import org.apache.flink.table.connector.ChangelogMode;
import org.apache.flink.table.connector.sink.DynamicTableSink;
import org.apache.flink.table.connector.sink.SinkV2Provider;
import org.apache.flink.table.data.GenericRowData;
import org.apache.flink.table.data.RowData;
import org.apache.flink.table.data.binary.BinaryRowData;
import org.apache.flink.table.factories.DynamicTableSinkFactory;
import org.apache.flink.table.runtime.typeutils.RowDataSerializer;
import org.apache.flink.table.types.logical.LogicalType;
import org.apache.flink.table.types.logical.RowType;

/**
 * The connector {@code last-row}: keeps the last row of each primary key in memory, and nothing else.
 * Without a primary key the whole row is one.
 *
 * <p>As cheap as {@code blackhole} but for one hash table access and one copy of bytes per row, and
 * the table of the very run that was timed can be read when it has ended. The cluster must live in
 * this JVM.
 */
public final class LastRowSinkFactory implements DynamicTableSinkFactory {
    static final Collection<Writer> WRITERS = new ConcurrentLinkedQueue<>();
    static final AtomicLong ENDED_MS = new AtomicLong();

    @Override
    public String factoryIdentifier() {
        return "last-row";
    }

    @Override
    public Set<ConfigOption<?>> requiredOptions() {
        return Set.of();
    }

    @Override
    public Set<ConfigOption<?>> optionalOptions() {
        return Set.of();
    }

    @Override
    public DynamicTableSink createDynamicTableSink(Context context) {
        RowType type = (RowType) context.getPhysicalRowDataType().getLogicalType();
        int[] keys = context.getPrimaryKeyIndexes();
        int[] all = IntStream.range(0, type.getFieldCount()).toArray();
        return new TableSink(type, keys.length == 0 ? all : keys);
    }

    private record TableSink(RowType type, int[] keys) implements DynamicTableSink {
        @Override
        public ChangelogMode getChangelogMode(ChangelogMode requested) {
            return ChangelogMode.upsert();
        }

        @Override
        public SinkRuntimeProvider getSinkRuntimeProvider(Context context) {
            return SinkV2Provider.of(new LastRowSink(type, keys));
        }

        @Override
        public DynamicTableSink copy() {
            return this;
        }

        @Override
        public String asSummaryString() {
            return "last-row";
        }
    }

    private record LastRowSink(RowType type, int[] keys) implements Sink<RowData> {
        @Override
        public SinkWriter<RowData> createWriter(WriterInitContext context) {
            return new Writer(type, keys);
        }
    }

    static final class Writer implements SinkWriter<RowData> {
        private final Map<BinaryRowData, BinaryRowData> rows = new HashMap<>();
        private final RowType type;
        private final RowDataSerializer whole;
        private final RowDataSerializer key;
        private final RowData.FieldGetter[] keyFields;
        private final GenericRowData keyRow;

        Writer(RowType type, int[] keys) {
            this.type = type;
            whole = new RowDataSerializer(type);
            LogicalType[] types =
                    Arrays.stream(keys).mapToObj(type::getTypeAt).toArray(LogicalType[]::new);
            key = new RowDataSerializer(types);
            keyFields = new RowData.FieldGetter[keys.length];
            for (int i = 0; i < keys.length; i++) {
                keyFields[i] = RowData.createFieldGetter(types[i], keys[i]);
            }
            keyRow = new GenericRowData(keys.length);
            WRITERS.add(this);
        }

        @Override
        public void write(RowData row, Context context) {
            for (int i = 0; i < keyFields.length; i++) {
                keyRow.setField(i, keyFields[i].getFieldOrNull(row));
            }
            BinaryRowData at = key.toBinaryRow(keyRow);
            BinaryRowData now = whole.toBinaryRow(row).copy();
            if (rows.replace(at, now) == null) {
                rows.put(at.copy(), now);
            }
        }

        @Override
        public void flush(boolean endOfInput) {
            if (endOfInput) {
                ENDED_MS.accumulateAndGet(System.currentTimeMillis(), Math::max);
            }
        }

        @Override
        public void close() {}

        String header() {
            return String.join(",", type.getFieldNames());
        }

        void print(PrintWriter out) {
            RowData.FieldGetter[] fields = new RowData.FieldGetter[type.getFieldCount()];
            for (int i = 0; i < fields.length; i++) {
                fields[i] = RowData.createFieldGetter(type.getTypeAt(i), i);
            }
            for (RowData row : rows.values()) {
                for (int i = 0; i < fields.length; i++) {
                    out.print(i == 0 ? "" : ",");
                    out.print(fields[i].getFieldOrNull(row));
                }
                out.println();
            }
        }
    }
}
