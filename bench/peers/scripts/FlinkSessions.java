// Apache Flink's DataStream API, by hand: lines parsed by a streaming parser, event-time sessions with an incremental
// aggregate, a file sink that is exactly once. `java -cp 'flink/lib/*' FlinkSessions.java LINES OUT`.

import java.io.File;
import java.time.Duration;
import java.time.Instant;
import org.apache.flink.api.common.RuntimeExecutionMode;
import org.apache.flink.api.common.eventtime.WatermarkStrategy;
import org.apache.flink.api.common.functions.AggregateFunction;
import org.apache.flink.api.common.functions.RichMapFunction;
import org.apache.flink.api.common.serialization.SimpleStringEncoder;
import org.apache.flink.api.common.typeinfo.Types;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.connector.file.sink.FileSink;
import org.apache.flink.connector.file.src.FileSource;
import org.apache.flink.connector.file.src.reader.TextLineInputFormat;
import org.apache.flink.core.fs.Path;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.core.JsonFactory;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.core.JsonParser;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.core.JsonToken;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.streaming.api.functions.windowing.ProcessWindowFunction;
import org.apache.flink.streaming.api.windowing.assigners.EventTimeSessionWindows;
import org.apache.flink.streaming.api.windowing.windows.TimeWindow;
import org.apache.flink.util.Collector;

public class FlinkSessions {
  public static class Click {
    public String visitor;
    public String event;
    public long timeUs;

    public Click() {}
  }

  public static class Session {
    public long beginUs;
    public long lastUs;
    public long events;
    public String first;
    public String last;

    public Session() {}
  }

  public static class Parse extends RichMapFunction<String, Click> {
    private transient JsonFactory json;

    @Override
    public Click map(String line) throws Exception {
      if (json == null) json = new JsonFactory();
      String user = null;
      String device = null;
      Click click = new Click();
      try (JsonParser parser = json.createParser(line)) {
        parser.nextToken();
        while (parser.nextToken() == JsonToken.FIELD_NAME) {
          String name = parser.currentName();
          parser.nextToken();
          switch (name) {
            case "user_id" -> user = parser.getText();
            case "device_id" -> device = parser.getText();
            case "client_event" -> click.event = parser.getText();
            case "client_timestamp" -> click.timeUs = micros(Instant.parse(parser.getText()));
            default -> parser.skipChildren();
          }
        }
      }
      click.visitor = user + "," + device;
      return click;
    }

    private static long micros(Instant at) {
      return at.getEpochSecond() * 1_000_000L + at.getNano() / 1000;
    }
  }

  public static class Cut implements AggregateFunction<Click, Session, Session> {
    @Override
    public Session createAccumulator() {
      return new Session();
    }

    @Override
    public Session add(Click click, Session session) {
      if (session.events == 0 || click.timeUs < session.beginUs) {
        session.beginUs = click.timeUs;
        session.first = click.event;
      }
      if (session.events == 0 || click.timeUs >= session.lastUs) {
        session.lastUs = click.timeUs;
        session.last = click.event;
      }
      session.events++;
      return session;
    }

    @Override
    public Session getResult(Session session) {
      return session;
    }

    @Override
    public Session merge(Session one, Session other) {
      if (one.events == 0) return other;
      if (other.events == 0) return one;
      if (other.beginUs < one.beginUs) {
        one.beginUs = other.beginUs;
        one.first = other.first;
      }
      if (other.lastUs > one.lastUs) {
        one.lastUs = other.lastUs;
        one.last = other.last;
      }
      one.events += other.events;
      return one;
    }
  }

  public static class Row extends ProcessWindowFunction<Session, String, String, TimeWindow> {
    @Override
    public void process(String visitor, Context context, Iterable<Session> found, Collector<String> out) {
      Session session = found.iterator().next();
      String times = iso(session.beginUs) + "," + iso(session.lastUs);
      long durationUs = session.lastUs - session.beginUs;
      out.collect(visitor + "," + times + "," + session.events + "," + session.first + "," + session.last + "," + durationUs);
    }

    private static String iso(long us) {
      return Instant.ofEpochSecond(us / 1_000_000, us % 1_000_000 * 1000).toString();
    }
  }

  public static void main(String[] arguments) throws Exception {
    Path lines = new Path("file://" + new File(arguments[0]).getAbsolutePath());
    Path out = new Path("file://" + new File(arguments[1]).getAbsolutePath());
    Configuration configuration = new Configuration();
    configuration.setString("state.backend.type", "hashmap");
    configuration.setString("execution.checkpointing.dir", out + ".checkpoints");
    configuration.setString("execution.checkpointing.incremental", "true");
    configuration.setString("execution.checkpointing.interval", "1000 ms");
    configuration.setString("execution.checkpointing.mode", "EXACTLY_ONCE");
    configuration.setString("restart-strategy.type", "none");
    configuration.setString("pipeline.object-reuse", "true");
    configuration.setString("pipeline.generic-types", "false");
    configuration.setString("taskmanager.numberOfTaskSlots", "1");
    configuration.setString("rest.port", "0");
    StreamExecutionEnvironment flink = StreamExecutionEnvironment.getExecutionEnvironment(configuration);
    flink.setParallelism(1);
    flink.setRuntimeMode(RuntimeExecutionMode.STREAMING);
    FileSource<String> source = FileSource.forRecordStreamFormat(new TextLineInputFormat(), lines).build();
    WatermarkStrategy<Click> watermarks =
        WatermarkStrategy.<Click>forBoundedOutOfOrderness(Duration.ofSeconds(10))
            .withTimestampAssigner((click, time) -> click.timeUs / 1000);
    flink
        .fromSource(source, WatermarkStrategy.noWatermarks(), "lines")
        .map(new Parse())
        .assignTimestampsAndWatermarks(watermarks)
        .keyBy(click -> click.visitor, Types.STRING)
        .window(EventTimeSessionWindows.withGap(Duration.ofMinutes(30)))
        .aggregate(new Cut(), new Row())
        .sinkTo(FileSink.forRowFormat(out, new SimpleStringEncoder<String>()).build());
    System.out.println("begin");
    flink.execute("sessions");
    System.out.println("end");
  }
}
