package delivery

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"
)

// DeadLetterAction says what becomes of a delivery that is given up. The numbers are those of the API and of the store.
type DeadLetterAction int

// The actions. The zero value is KeepDead.
const (
	KeepDead    DeadLetterAction = 1 // with its payload
	DiscardDead DeadLetterAction = 2 // without
	PutDead     DeadLetterAction = 3 // with, and an event is put
)

// DeadLetter is what a target wants done with deliveries that are given up.
type DeadLetter struct {
	Action DeadLetterAction
	Bus    string // of PutDead, of the rule's project
}

// What an event says of a delivery that was given up.
const (
	deadSource     = reservedNamespace + "delivery"
	deadDetailType = "Delivery Dead"
)

func (l DeadLetter) check(at string) []Violation {
	switch {
	case l.Action == PutDead && l.Bus == "":
		return []Violation{{at + ".dead_letter.bus", "is required with the action PUT_EVENT"}}
	case l.Action != PutDead && l.Bus != "":
		return []Violation{{at + ".dead_letter.bus", "goes only with the action PUT_EVENT"}}
	}
	return nil
}

// checkDeadLetter checks that the bus of a rule's i-th target is there; an InvalidError.
func (s *Service) checkDeadLetter(ctx context.Context, r *Rule, i int) error {
	bus := r.Targets[i].DeadLetter.Bus
	if bus == "" {
		return nil
	}
	name := BusName{r.Name.Project, bus}
	_, err := s.store.Bus(ctx, name)
	if errors.Is(err, ErrBusNotFound) {
		return invalid(KindField, fmt.Sprintf("rule.targets[%d].dead_letter.bus", i), "there is no bus "+name.String())
	}
	return err
}

// deadLetter does what the target wants done with a delivery that is about to be recorded as Dead. An event is put before, so that it is
// never missing; after a crash in between the delivery is attempted again, and it may be put again.
func (s *Service) deadLetter(ctx context.Context, d *Delivery) {
	switch d.Target.DeadLetter.Action {
	case DiscardDead:
		d.Payload = ""
	case PutDead:
		if d.Event.Source != deadSource { // no event tells of its own kind: a bus could feed itself
			s.putDead(ctx, d)
		}
	case KeepDead:
	}
}

func (s *Service) putDead(ctx context.Context, d *Delivery) {
	bus := BusName{d.ID.Project, d.Target.DeadLetter.Bus}
	for whole := true; ; {
		entry := Entry{
			Source: deadSource, DetailType: deadDetailType, Detail: d.deadDetail(whole),
			Resources: []string{d.ID.String(), RuleName{d.ID.Project, d.Event.Bus, d.Rule}.String()},
		}
		results, err := s.PutEvents(ctx, bus, []Entry{entry}, true)
		var invalid *InvalidError
		refused := errors.As(err, &invalid) || err == nil && results[0].Code != ""
		switch {
		case refused && whole: // with event and payload it is too large, or too deep
			whole = false
			continue
		case refused, errors.Is(err, ErrBusNotFound):
			d.ErrorMessage = clip(fmt.Sprintf("%s; its dead-letter event could not be put on %s: %v", d.ErrorMessage, bus, err))
			return
		case err == nil:
			return
		}
		s.logger.WarnContext(ctx, "a dead-letter event cannot be put yet", "delivery", d.ID.String(), "error", err)
		select {
		case <-ctx.Done():
			return
		case <-time.After(recordPause):
		}
	}
}

// deadDetail is the detail of the event. The attributes are EventBridge's, with resource names for its ARNs; those that say which bound
// ended the attempts are absent where none did. https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-rule-dlq.html
func (d *Delivery) deadDetail(whole bool) string {
	rule := RuleName{d.ID.Project, d.Event.Bus, d.Rule}.String()
	attributes := map[string]string{
		"RULE_ARN": rule, "TARGET_ARN": rule + "/targets/" + d.Target.ID, "ERROR_CODE": d.ErrorCode.String(), "ERROR_MESSAGE": d.ErrorMessage,
	}
	if d.Condition != NotExhausted {
		attributes["EXHAUSTED_RETRY_CONDITION"] = d.Condition.String()
		attributes["RETRY_ATTEMPTS"] = strconv.Itoa(d.Retries())
	}
	detail := struct {
		Delivery    string            `json:"delivery"`
		Destination string            `json:"destination"`
		Attributes  map[string]string `json:"attributes"`
		EventID     string            `json:"eventId"`
		Event       json.RawMessage   `json:"event,omitempty"`
		Payload     string            `json:"payload,omitempty"`
	}{Delivery: d.ID.String(), Destination: d.Lane().String(), Attributes: attributes, EventID: d.Event.ID}
	if whole {
		detail.Event, detail.Payload = d.Event.Envelope(), d.Payload
	}
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(detail) // texts, and an event that is valid JSON
	return string(bytes.TrimSpace(b.Bytes()))
}

// String returns the code as the attribute ERROR_CODE has it.
func (c ErrorCode) String() string {
	names := [...]string{
		"", "ERROR_FROM_TARGET", "CONNECTION_FAILURE", "TIMEOUT", "THROTTLING", "NO_PERMISSIONS", "INVALID_PARAMETER", "EGRESS_DENIED",
		"INTERNAL_ERROR", "INVALID_JSON",
	}
	if c < 0 || int(c) >= len(names) {
		return "UNKNOWN"
	}
	return names[c]
}

// String returns the condition as the attribute EXHAUSTED_RETRY_CONDITION has it.
func (c Condition) String() string {
	switch c {
	case RetriesExhausted:
		return "MaximumRetryAttempts"
	case EventAgeExhausted:
		return "MaximumEventAgeInSeconds"
	case NotExhausted:
	}
	return ""
}
