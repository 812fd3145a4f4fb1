package otlp

// shape is what a field holds: a scalar or a message of schema.
type shape uint8

// The shapes. Scalars come first.
const (
	number  shape = iota // any number that is not a float, or an enum
	decimal              // a float or a double
	truth
	text
	octets   // bytes; base64 in JSON
	hex      // bytes of an id; hex in JSON (OTLP specification, JSON Protobuf Encoding)
	fixeds   // packed fixed64
	decimals // packed doubles
	varints  // packed varints

	logsRequest
	resourceLogs
	scopeLogs
	logRecord
	metricsRequest
	resourceMetrics
	scopeMetrics
	metric
	points
	histograms
	exponentials
	summaries
	numberPoint
	histogramPoint
	exponentialPoint
	buckets
	summaryPoint
	quantile
	exemplar
	tracesRequest
	resourceSpans
	scopeSpans
	span
	spanEvent
	spanLink
	spanStatus
	resource
	entityRef
	scope
	keyValue
	anyValue
	arrayValue
	keyValues
	shapes // how many there are
)

// message reports whether the shape is one of schema.
func (s shape) message() bool { return s >= logsRequest }

// repeated is added to the shape of a field that holds many.
const repeated shape = 0x80

// field is one field of a message.
type field struct {
	number int32
	name   string // in JSON
	of     shape
}

// schema is the messages of opentelemetry-proto 1.11, for both encodings.
// Fields that are not in it are passed over, as the specification asks for.
var schema = [shapes][]field{
	logsRequest:     {{1, "resourceLogs", resourceLogs | repeated}},
	resourceLogs:    {{1, "resource", resource}, {2, "scopeLogs", scopeLogs | repeated}, {3, "schemaUrl", text}},
	scopeLogs:       {{1, "scope", scope}, {2, "logRecords", logRecord | repeated}, {3, "schemaUrl", text}},
	metricsRequest:  {{1, "resourceMetrics", resourceMetrics | repeated}},
	resourceMetrics: {{1, "resource", resource}, {2, "scopeMetrics", scopeMetrics | repeated}, {3, "schemaUrl", text}},
	scopeMetrics:    {{1, "scope", scope}, {2, "metrics", metric | repeated}, {3, "schemaUrl", text}},
	tracesRequest:   {{1, "resourceSpans", resourceSpans | repeated}},
	resourceSpans:   {{1, "resource", resource}, {2, "scopeSpans", scopeSpans | repeated}, {3, "schemaUrl", text}},
	scopeSpans:      {{1, "scope", scope}, {2, "spans", span | repeated}, {3, "schemaUrl", text}},

	logRecord: {{1, "timeUnixNano", number}, {2, "severityNumber", number}, {3, "severityText", text}, {5, "body", anyValue},
		{6, "attributes", keyValue | repeated}, {7, "droppedAttributesCount", number}, {8, "flags", number}, {9, "traceId", hex},
		{10, "spanId", hex}, {11, "observedTimeUnixNano", number}, {12, "eventName", text}},

	metric: {{1, "name", text}, {2, "description", text}, {3, "unit", text}, {5, "gauge", points}, {7, "sum", points},
		{9, "histogram", histograms}, {10, "exponentialHistogram", exponentials}, {11, "summary", summaries}, {12, "metadata", keyValue | repeated}},
	points:       {{1, "dataPoints", numberPoint | repeated}, {2, "aggregationTemporality", number}, {3, "isMonotonic", truth}},
	histograms:   {{1, "dataPoints", histogramPoint | repeated}, {2, "aggregationTemporality", number}},
	exponentials: {{1, "dataPoints", exponentialPoint | repeated}, {2, "aggregationTemporality", number}},
	summaries:    {{1, "dataPoints", summaryPoint | repeated}},
	numberPoint: {{2, "startTimeUnixNano", number}, {3, "timeUnixNano", number}, {4, "asDouble", decimal}, {5, "exemplars", exemplar | repeated},
		{6, "asInt", number}, {7, "attributes", keyValue | repeated}, {8, "flags", number}},
	histogramPoint: {{2, "startTimeUnixNano", number}, {3, "timeUnixNano", number}, {4, "count", number}, {5, "sum", decimal}, {6, "bucketCounts", fixeds},
		{7, "explicitBounds", decimals}, {8, "exemplars", exemplar | repeated}, {9, "attributes", keyValue | repeated}, {10, "flags", number},
		{11, "min", decimal}, {12, "max", decimal}},
	exponentialPoint: {{1, "attributes", keyValue | repeated}, {2, "startTimeUnixNano", number}, {3, "timeUnixNano", number}, {4, "count", number},
		{5, "sum", decimal}, {6, "scale", number}, {7, "zeroCount", number}, {8, "positive", buckets}, {9, "negative", buckets}, {10, "flags", number},
		{11, "exemplars", exemplar | repeated}, {12, "min", decimal}, {13, "max", decimal}, {14, "zeroThreshold", decimal}},
	buckets: {{1, "offset", number}, {2, "bucketCounts", varints}},
	summaryPoint: {{2, "startTimeUnixNano", number}, {3, "timeUnixNano", number}, {4, "count", number}, {5, "sum", decimal},
		{6, "quantileValues", quantile | repeated}, {7, "attributes", keyValue | repeated}, {8, "flags", number}},
	quantile: {{1, "quantile", decimal}, {2, "value", decimal}},
	exemplar: {{2, "timeUnixNano", number}, {3, "asDouble", decimal}, {4, "spanId", hex}, {5, "traceId", hex}, {6, "asInt", number},
		{7, "filteredAttributes", keyValue | repeated}},

	span: {{1, "traceId", hex}, {2, "spanId", hex}, {3, "traceState", text}, {4, "parentSpanId", hex}, {5, "name", text}, {6, "kind", number},
		{7, "startTimeUnixNano", number}, {8, "endTimeUnixNano", number}, {9, "attributes", keyValue | repeated}, {10, "droppedAttributesCount", number},
		{11, "events", spanEvent | repeated}, {12, "droppedEventsCount", number}, {13, "links", spanLink | repeated}, {14, "droppedLinksCount", number},
		{15, "status", spanStatus}, {16, "flags", number}},
	spanEvent: {{1, "timeUnixNano", number}, {2, "name", text}, {3, "attributes", keyValue | repeated}, {4, "droppedAttributesCount", number}},
	spanLink: {{1, "traceId", hex}, {2, "spanId", hex}, {3, "traceState", text}, {4, "attributes", keyValue | repeated},
		{5, "droppedAttributesCount", number}, {6, "flags", number}},
	spanStatus: {{2, "message", text}, {3, "code", number}},

	resource:  {{1, "attributes", keyValue | repeated}, {2, "droppedAttributesCount", number}, {3, "entityRefs", entityRef | repeated}},
	entityRef: {{1, "schemaUrl", text}, {2, "type", text}, {3, "idKeys", text | repeated}, {4, "descriptionKeys", text | repeated}},
	scope:     {{1, "name", text}, {2, "version", text}, {3, "attributes", keyValue | repeated}, {4, "droppedAttributesCount", number}},
	keyValue:  {{1, "key", text}, {2, "value", anyValue}, {3, "keyStrindex", number}},
	anyValue: {{1, "stringValue", text}, {2, "boolValue", truth}, {3, "intValue", number}, {4, "doubleValue", decimal}, {5, "arrayValue", arrayValue},
		{6, "kvlistValue", keyValues}, {7, "bytesValue", octets}, {8, "stringValueStrindex", number}},
	arrayValue: {{1, "values", anyValue | repeated}},
	keyValues:  {{1, "values", keyValue | repeated}},
}

// numbered is the field of a message with that number.
func (s shape) numbered(n int32) (field, bool) {
	for _, f := range schema[s] {
		if f.number == n {
			return f, true
		}
	}
	return field{}, false
}

// named is the field of a message with that name.
func (s shape) named(name string) (field, bool) {
	for _, f := range schema[s] {
		if f.name == name {
			return f, true
		}
	}
	return field{}, false
}

// quoted is the field of a message with that name, which is still quoted.
func (s shape) quoted(name []byte) (field, bool) {
	for _, f := range schema[s] {
		if is(name, f.name) {
			return f, true
		}
	}
	return field{}, false
}

// inner is the field that requests are cut at: of a request its resources, of
// a resource its scopes, of a scope its items. Items have none.
func (s shape) inner() (field, bool) {
	switch s {
	case logsRequest, metricsRequest, tracesRequest:
		return s.first(1)
	case resourceLogs, resourceMetrics, resourceSpans, scopeLogs, scopeMetrics, scopeSpans:
		return s.first(2)
	default:
		return field{}, false
	}
}

// first is a numbered field, without repeated.
func (s shape) first(n int32) (field, bool) {
	f, ok := s.numbered(n)
	f.of &^= repeated
	return f, ok
}

// deepest is how many messages may lie in one another. The deepest of a
// request without nested values is 8.
const deepest = 100
