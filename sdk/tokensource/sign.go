package tokensource

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"

	tokenv1 "github.com/freshet-io/freshet/gen/freshet/token/v1"
)

// maxForm bounds the forms that can be signed.
const maxForm = 1 << 20

// Sign returns the value of the header Authorization of a request that is signed
// (OAuth 1.0a, RFC 5849). form is the body, if it is of type
// application/x-www-form-urlencoded. Each request needs a signature of its own.
// Needed only by applications that do not use [Source.RoundTripper].
//
// Errors: the gRPC status of the call, FAILED_PRECONDITION if requests with the
// token are not signed; [ErrClosed].
func (s *Source) Sign(ctx context.Context, method, url, form string) (string, error) {
	ctx, stop := s.bounded(ctx)
	defer stop()
	answer, err := s.signer.SignRequest(ctx, &tokenv1.SignRequestRequest{Name: s.name, HttpMethod: method, Url: url, Form: form})
	if err != nil && errors.Is(context.Cause(ctx), ErrClosed) {
		return "", ErrClosed
	}
	if err != nil {
		return "", fmt.Errorf("tokensource: %s: SignRequest: %w", s.name, err)
	}
	return answer.GetAuthorization(), nil
}

// sign signs a copy of the caller's request, which has everything else already.
func (o *outgoing) sign(s *Source, r *http.Request) error {
	form, err := o.form(r)
	if err != nil {
		return err
	}
	method := r.Method
	if method == "" {
		method = http.MethodGet // as http.Request has it
	}
	target := *r.URL
	target.User, target.Fragment, target.RawFragment = nil, "", ""
	if r.Host != "" {
		target.Host = r.Host // what the server knows itself by
	}
	authorization, err := s.Sign(r.Context(), method, target.String(), form)
	if err != nil {
		return err
	}
	r.Header.Set("Authorization", authorization)
	return nil
}

// form returns the body if its fields are part of the signature (RFC 5849
// section 3.4.1.3.1), and keeps it for sending.
func (o *outgoing) form(r *http.Request) (string, error) {
	if mediaType, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); mediaType != "application/x-www-form-urlencoded" || !o.hasBody() {
		return "", nil
	}
	if !o.read {
		content, err := io.ReadAll(io.LimitReader(r.Body, maxForm+1))
		if err := errors.Join(err, r.Body.Close()); err != nil {
			return "", fmt.Errorf("tokensource: reading the form: %w", err)
		}
		if len(content) > maxForm {
			return "", fmt.Errorf("tokensource: a form of more than %d bytes cannot be signed", maxForm)
		}
		o.content, o.read = content, true
		r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(content)), int64(len(content))
	}
	return string(o.content), nil
}
