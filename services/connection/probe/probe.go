package probe

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/url"
	"time"

	"github.com/freshet-io/freshet/services/connection"
	"github.com/freshet-io/freshet/services/internal/egress"
)

// stepTimeout bounds each step, so that one that hangs does not hide what it hangs at. The token request is the exception: the token
// service has a bound of its own for it, and says what it met when that is reached.
const (
	stepTimeout         = 10 * time.Second
	tokenRequestTimeout = 45 * time.Second
)

// Reasons of failing steps, from freshet.errors.v1.Reason. Those of a token request come from the token service.
const (
	reasonInvalidField connection.Reason = "INVALID_FIELD"
	reasonEgressDenied connection.Reason = "EGRESS_DENIED"
	reasonNotSent      connection.Reason = "NOT_SENT"
	reasonAmbiguous    connection.Reason = "AMBIGUOUS"
)

// Trier makes one token request and throws the token away. An error means that it could not try; a refused request is no error.
type Trier interface {
	TryAuthorization(ctx context.Context, c connection.Connection) (connection.Trial, error)
}

// Probe implements connection.Probe.
type Probe struct {
	guard *egress.Guard
	trier Trier
	tls   *tls.Config
}

// New returns a probe that reaches token endpoints through guard.
func New(guard *egress.Guard, trier Trier) *Probe {
	return &Probe{guard: guard, trier: trier, tls: guard.Transport().TLSClientConfig}
}

// Run implements connection.Probe. It returns all steps, those after a failing one SKIPPED, and an error only when ctx ends.
func (p *Probe) Run(ctx context.Context, c connection.Connection) ([]connection.Step, error) {
	e := &examination{probe: p, of: c}
	defer e.close()
	var steps []connection.Step
	failed := false
	for _, s := range e.plan() {
		step := connection.Step{Kind: s.kind, Outcome: connection.OutcomeSkipped, Message: "not tried, because a step before failed"}
		if !failed {
			step = measured(ctx, s)
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		failed = failed || step.Outcome == connection.OutcomeFailed
		steps = append(steps, step)
	}
	return steps, nil
}

// planned is a step to be taken.
type planned struct {
	kind connection.StepKind
	run  func(context.Context) finding
}

// finding is what a step finds.
type finding struct {
	outcome connection.Outcome
	reason  connection.Reason
	message string
	took    time.Duration // zero: as long as the step ran
}

func ok(message string) finding { return finding{outcome: connection.OutcomeOK, message: message} }

func skipped(message string) finding {
	return finding{outcome: connection.OutcomeSkipped, message: message}
}

func failed(reason connection.Reason, message string) finding {
	return finding{outcome: connection.OutcomeFailed, reason: reason, message: message}
}

func measured(ctx context.Context, s planned) connection.Step {
	limit := stepTimeout
	if s.kind == connection.StepTokenRequest {
		limit = tokenRequestTimeout
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	start := time.Now()
	f := s.run(ctx)
	if f.took == 0 {
		f.took = time.Since(start)
	}
	return connection.Step{Kind: s.kind, Outcome: f.outcome, Reason: f.reason, Message: f.message, Duration: f.took}
}

// examination is one run. Each step leaves what the next ones need.
type examination struct {
	probe *Probe
	of    connection.Connection
	url   *url.URL
	conn  net.Conn
	trial connection.Trial
	// certificate is the client's, if it authenticates with one.
	certificate *tls.Certificate
}

func (e *examination) plan() []planned {
	steps := []planned{
		{connection.StepSettings, e.settings},
		{connection.StepEgress, e.egress},
		{connection.StepDNS, e.dns},
		{connection.StepTCP, e.tcp},
		{connection.StepTLS, e.handshake},
		{connection.StepTokenRequest, e.tokenRequest},
		{connection.StepTokenResponse, e.tokenResponse},
	}
	if e.of.Settings.Kind != connection.KindOAuth2 {
		skip(steps[1:], "a connection of static credentials calls nobody to obtain them")
	} else if why := e.of.Settings.OAuth2.Untestable(); why != "" {
		skip(steps[5:], why)
	}
	return steps
}

func skip(steps []planned, why string) {
	for i := range steps {
		steps[i].run = func(context.Context) finding { return skipped(why) }
	}
}

func (e *examination) close() {
	if e.conn != nil {
		_ = e.conn.Close()
	}
}

// address is the host and port that the token endpoint's URL leads to.
func (e *examination) address() (host, port string) {
	host, port = e.url.Hostname(), e.url.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[e.url.Scheme]
	}
	return host, port
}

// refusal tells a denial of the egress rule from any other failure.
func refusal(err error, otherwise connection.Reason) connection.Reason {
	if egress.IsDenied(err) {
		return reasonEgressDenied
	}
	return otherwise
}

// told is what an error says for people.
func told(err error) string {
	var denied *egress.DeniedError
	var dns *net.DNSError
	switch {
	case errors.As(err, &denied):
		return denied.Error()
	case errors.As(err, &dns) && dns.IsNotFound:
		return "the name " + dns.Name + " does not exist"
	case errors.Is(err, context.DeadlineExceeded):
		return "no answer within " + stepTimeout.String()
	default:
		return err.Error()
	}
}
