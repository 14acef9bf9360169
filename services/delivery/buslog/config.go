package buslog

// Level says which steps a bus writes. The numbers are those of the API and of the store; 0 is Off.
type Level int

// The levels, each of which has the steps of those before.
const (
	Off   Level = 1
	Error Level = 2
	Info  Level = 3
	Trace Level = 4
)

// String returns the level's name in records.
func (l Level) String() string {
	switch l {
	case Error:
		return "ERROR"
	case Info:
		return "INFO"
	case Trace:
		return "TRACE"
	case Off:
	}
	return "OFF"
}

// Detail says whether records hold content. The numbers are those of the API and of the store; 0 is NoDetail.
type Detail int

// The details.
const (
	NoDetail   Detail = 1
	FullDetail Detail = 2
)

// Config is what a bus wants written. The zero value: nothing.
type Config struct {
	Level  Level
	Detail Detail
}

// On tells whether anything is written.
func (c Config) On() bool { return c.Level > Off }

// Wants tells whether a step is written.
func (c Config) Wants(s Step) bool { return c.Level > Off && c.Level >= s.Level() }

// Step is a step of an event's way.
type Step int

// The steps, in the words of EventBridge. NoRulesMatched is its NO_STANDARD_RULES_MATCHED: there are no other rules here.
const (
	EventReceipt Step = iota
	EventIngestSuccess
	EventIngestFailure
	RuleMatchStart
	RuleMatch
	NoRulesMatched
	InvocationStart
	InvocationThrottleStart
	AttemptStart
	AttemptSuccess
	AttemptThrottle
	AttemptRetryableFailure
	AttemptPermanentFailure
	InvocationSuccess
	InvocationFailure
	InvocationDLQ
)

// words returns the step's name and level.
func (s Step) words() (name string, level Level) {
	steps := [...]struct {
		name  string
		level Level
	}{
		EventReceipt:            {"EVENT_RECEIPT", Info},
		EventIngestSuccess:      {"EVENT_INGEST_SUCCESS", Info},
		EventIngestFailure:      {"EVENT_INGEST_FAILURE", Error},
		RuleMatchStart:          {"RULE_MATCH_START", Trace},
		RuleMatch:               {"RULE_MATCH", Info},
		NoRulesMatched:          {"NO_RULES_MATCHED", Info},
		InvocationStart:         {"INVOCATION_START", Trace},
		InvocationThrottleStart: {"INVOCATION_THROTTLE_START", Info},
		AttemptStart:            {"INVOCATION_ATTEMPT_START", Trace},
		AttemptSuccess:          {"INVOCATION_ATTEMPT_SUCCESS", Trace},
		AttemptThrottle:         {"INVOCATION_ATTEMPT_THROTTLE", Error},
		AttemptRetryableFailure: {"INVOCATION_ATTEMPT_RETRYABLE_FAILURE", Error},
		AttemptPermanentFailure: {"INVOCATION_ATTEMPT_PERMANENT_FAILURE", Error},
		InvocationSuccess:       {"INVOCATION_SUCCESS", Info},
		InvocationFailure:       {"INVOCATION_FAILURE", Error},
		InvocationDLQ:           {"INVOCATION_DLQ", Error},
	}
	return steps[s].name, steps[s].level
}

// String returns the step's name in records.
func (s Step) String() string {
	name, _ := s.words()
	return name
}

// Level returns the least level that has the step.
func (s Step) Level() Level {
	_, level := s.words()
	return level
}
