package delivery

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"mime"
	"net/http"
	"slices"

	"go.opentelemetry.io/otel/propagation"

	"github.com/freshet-io/freshet/services/delivery/shape"
)

// request builds the request of a delivery. Of parameters given several times, those of the connection win over the target's, and those
// over the destination's, as in EventBridge. The error is for people.
func (s *Service) request(ctx context.Context, d *Delivery, lane *laneState, c *Credential, envelope, payload []byte) (Request, error) {
	r := Request{
		Method: lane.destination.Method, Timeout: lane.destination.Timeout, Header: http.Header{}, Detail: lane.destination.Detail,
	}
	if why := checkMethod(&d.Target, &lane.destination); why != "" { // it was redriven to another destination
		return Request{}, errors.New(why)
	}
	values := make([]string, len(d.Target.PathParameters))
	for i, text := range d.Target.PathParameters {
		p, err := shape.ParseParameter(text)
		if err != nil {
			return Request{}, err
		}
		values[i] = p.Value(envelope)
	}
	filled, err := lane.endpoint.Fill(values)
	if err != nil {
		return Request{}, err
	}
	query, err := evaluate(d.Target.QueryParameters, envelope)
	if err != nil {
		return Request{}, err
	}
	if r.URL, err = shape.AddQuery(filled, query, revealed(c.Query)); err != nil {
		return Request{}, err
	}
	headers, err := evaluate(d.Target.Headers, envelope)
	if err != nil {
		return Request{}, err
	}
	for _, h := range headers {
		if hasControl(h.Value) {
			return Request{}, fmt.Errorf("the value of header %s has control characters", h.Key)
		}
		r.Header.Set(h.Key, h.Value)
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		r.Body = shape.MergeBody(payload, revealed(c.Body))
	}
	s.addHeaders(ctx, &r, d, lane, c)
	if !c.Bound && !c.Signs {
		return r, nil
	}
	holder, err := d.holder(lane.destination.Connection)
	if err != nil {
		return Request{}, err
	}
	if c.Bound {
		r.Prove = func(ctx context.Context, nonce string) (string, error) {
			return s.credentials.Prove(ctx, holder, c.Fingerprint, ProofRequest{Method: r.Method, URL: r.URL, Nonce: nonce})
		}
	}
	if c.Signs {
		signed := SignatureRequest{Method: r.Method, URL: r.URL}
		if mediaType, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err == nil && mediaType == "application/x-www-form-urlencoded" {
			signed.Form = string(r.Body)
		}
		r.Header.Del("Authorization")
		r.Sign = func(ctx context.Context) (string, error) { return s.credentials.Sign(ctx, holder, signed) }
	}
	return r, nil
}

// addHeaders adds the connection's headers and our own.
func (s *Service) addHeaders(ctx context.Context, r *Request, d *Delivery, lane *laneState, c *Credential) {
	seen := map[string]bool{}
	for _, f := range c.Headers {
		if name := http.CanonicalHeaderKey(f.Key); !seen[name] {
			seen[name] = true
			r.Header.Del(name)
			r.SecretHeaders = append(r.SecretHeaders, name)
		}
		r.Header.Add(f.Key, f.Value.Reveal())
	}
	for _, fields := range [][]Field{c.Headers, c.Query, c.Body} {
		for _, f := range fields {
			r.Secrets = append(r.Secrets, f.Value)
		}
	}
	if r.Body != nil && r.Header.Get("Content-Type") == "" {
		r.Header.Set("Content-Type", "application/json; charset=utf-8")
	}
	r.Header.Set("User-Agent", s.userAgent)
	r.Header.Set(lane.destination.IdempotencyHeader, d.ID.Delivery) // the same in every attempt
	// A batch has no one event.
	if d.Event.ID != "" {
		r.Header.Set("X-Freshet-Event-Id", d.Event.ID)
	}
	propagation.TraceContext{}.Inject(ctx, propagation.HeaderCarrier(r.Header))
	lane.sign(r, d, s.now())
}

// evaluate returns parameters with their values, by name.
func evaluate(parameters map[string]string, envelope []byte) ([]shape.Pair, error) {
	pairs := make([]shape.Pair, 0, len(parameters))
	for _, key := range slices.Sorted(maps.Keys(parameters)) {
		p, err := shape.ParseParameter(parameters[key])
		if err != nil {
			return nil, err
		}
		pairs = append(pairs, shape.Pair{Key: key, Value: p.Value(envelope)})
	}
	return pairs, nil
}

func revealed(fields []Field) []shape.Pair {
	pairs := make([]shape.Pair, len(fields))
	for i, f := range fields {
		pairs[i] = shape.Pair{Key: f.Key, Value: f.Value.Reveal()}
	}
	return pairs
}
