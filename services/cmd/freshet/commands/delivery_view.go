package commands

import (
	"fmt"
	"strconv"
	"strings"

	"google.golang.org/protobuf/types/known/durationpb"

	deliveryv1 "github.com/freshet-io/freshet/gen/freshet/delivery/v1"
)

// showDelivery prints a delivery with its attempts.
func (f *clientFlags) showDelivery(s *session, d *deliveryv1.Delivery) error {
	if f.Output == "json" {
		return printJSON(s.stdout, d)
	}
	t := newTable(s.stdout)
	t.property("Name", d.GetName())
	t.property("State", d.GetState().String())
	if d.GetErrorCode() != deliveryv1.Delivery_ERROR_CODE_UNSPECIFIED {
		t.property("Error", d.GetErrorCode().String()+": "+d.GetErrorMessage())
	}
	if d.GetExhaustedRetryCondition() != deliveryv1.Delivery_EXHAUSTED_RETRY_CONDITION_UNSPECIFIED {
		t.property("Exhausted", d.GetExhaustedRetryCondition().String())
	}
	event := d.GetEvent()
	t.property("Event", event.GetId())
	t.property("Source", event.GetSource())
	t.property("Detail type", event.GetDetailType())
	t.property("Detail", event.GetDetail())
	t.property("Resources", strings.Join(event.GetResources(), ", "))
	t.property("Rule", d.GetRule())
	t.property("Target", d.GetTarget())
	t.property("Destination", d.GetDestination())
	t.property("Created", relative(d.GetCreateTime(), s.now()))
	t.property("Next attempt", relative(d.GetNextAttemptTime(), s.now()))
	if d.GetEndTime() == nil {
		t.property("Given up", relative(d.GetExpireTime(), s.now()))
	}
	t.property("Ended", relative(d.GetEndTime(), s.now()))
	if d.GetRedriveCount() > 0 {
		t.property("Redriven", plural(int(d.GetRedriveCount()), "time"))
	}
	t.property("Payload", d.GetPayload())
	if err := t.flush(); err != nil {
		return err
	}
	if len(d.GetAttempts()) == 0 {
		return nil
	}
	if _, err := fmt.Fprintln(s.stdout); err != nil {
		return err
	}
	return f.showAttempts(s, d.GetAttempts())
}

func (f *clientFlags) showAttempts(s *session, attempts []*deliveryv1.Attempt) error {
	t := newTable(s.stdout, "ATTEMPT", "STARTED", "TOOK", "TIMES", "STATUS", "TOKEN", "OUTCOME")
	for _, a := range attempts {
		status, token, outcome := "", "", "OK"
		if a.GetStatusCode() != 0 {
			status = strconv.Itoa(int(a.GetStatusCode()))
		}
		if a.GetTokenGeneration() != 0 {
			token = "generation " + strconv.FormatInt(a.GetTokenGeneration(), 10)
		}
		if a.GetErrorClass() != deliveryv1.Attempt_ERROR_CLASS_UNSPECIFIED {
			outcome = a.GetErrorClass().String()
		}
		if a.GetErrorMessage() != "" {
			outcome += ": " + a.GetErrorMessage() // ends with the excerpt of the answer, where there is one
		}
		if a.GetBatchSize() > 0 {
			outcome = fmt.Sprintf("batch of %d, %s", a.GetBatchSize(), outcome)
		}
		t.row(strconv.Itoa(int(a.GetNumber())), relative(a.GetStartTime(), s.now()), span(a.GetDuration().AsDuration()),
			orDash(times(a)), orDash(status), orDash(token), outcome)
	}
	return t.flush()
}

// times are the steps of an attempt, as far as they happened.
func times(a *deliveryv1.Attempt) string {
	var steps []string
	for _, step := range []struct {
		name string
		took *durationpb.Duration
	}{
		{"dns", a.GetDnsDuration()},
		{"connect", a.GetConnectDuration()},
		{"tls", a.GetTlsDuration()},
		{"first byte", a.GetFirstByteDuration()},
	} {
		if step.took != nil {
			steps = append(steps, step.name+" "+span(step.took.AsDuration()))
		}
	}
	return strings.Join(steps, ", ")
}
