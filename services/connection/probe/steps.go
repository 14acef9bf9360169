package probe

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"time"

	"github.com/freshet-io/freshet/services/connection"
	"github.com/freshet-io/freshet/services/connection/keys"
)

func (e *examination) settings(context.Context) finding {
	if err := e.of.Settings.Validate(nil); err != nil {
		return failed(reasonInvalidField, err.Error())
	}
	message := "the stored settings are complete and their secrets can be opened"
	if c := e.of.Settings.OAuth2.ClientCertificate; c.Chain != "" {
		pair, err := keys.Pair(c.Chain, c.PrivateKey.Reveal())
		if err != nil {
			return failed(reasonInvalidField, err.Error())
		}
		until := pair.Leaf.NotAfter.UTC().Format(time.DateOnly)
		if time.Now().After(pair.Leaf.NotAfter) {
			return failed(reasonInvalidField, "oauth2.client_certificate: the certificate expired on "+until)
		}
		e.certificate = &pair
		message += "; the client certificate is valid until " + until
	}
	if notice := e.of.Settings.Notice(); notice != "" {
		message += ". " + notice
	}
	return ok(message)
}

func (e *examination) egress(context.Context) finding {
	a := e.of.Settings.OAuth2
	for _, endpoint := range a.Endpoints() {
		if _, err := e.probe.guard.CheckURL(endpoint.URL); err != nil {
			return failed(reasonEgressDenied, endpoint.Field+": "+told(err))
		}
	}
	var err error
	if e.url, err = e.probe.guard.CheckURL(a.FirstEndpoint()); err != nil {
		return failed(reasonEgressDenied, told(err))
	}
	host, port := e.address()
	return ok(fmt.Sprintf("calls by %s to %s, port %s, are allowed", e.url.Scheme, host, port))
}

func (e *examination) dns(ctx context.Context) finding {
	host, _ := e.address()
	addresses, err := e.probe.guard.Resolve(ctx, host)
	if err != nil {
		return failed(refusal(err, reasonNotSent), told(err))
	}
	var allowed []string
	var refused error
	for _, a := range addresses {
		if err := e.probe.guard.CheckAddr(a); err != nil {
			refused = err
			continue
		}
		allowed = append(allowed, a.String())
	}
	switch _, notName := netip.ParseAddr(host); {
	case len(allowed) == 0 && refused != nil:
		return failed(reasonEgressDenied, told(refused))
	case len(allowed) == 0:
		return failed(reasonNotSent, "the name "+host+" has no addresses")
	case notName == nil:
		return ok("the URL has an address, not a name; it may be called")
	case refused != nil:
		return ok(fmt.Sprintf("%s is %s; other addresses may not be called: %s", host, strings.Join(allowed, ", "), told(refused)))
	default:
		return ok(host + " is " + strings.Join(allowed, ", "))
	}
}

func (e *examination) tcp(ctx context.Context) finding {
	host, port := e.address()
	conn, err := e.probe.guard.DialContext(ctx, "tcp", net.JoinHostPort(host, port))
	if err != nil {
		return failed(refusal(err, reasonNotSent), told(err))
	}
	e.conn = conn
	return ok("connected to " + conn.RemoteAddr().String())
}

func (e *examination) handshake(ctx context.Context) finding {
	if e.url.Scheme == "http" {
		return skipped("the URL is http: client secret and token travel in clear text")
	}
	host, _ := e.address()
	config := e.probe.tls.Clone()
	config.ServerName = host
	presented := false
	if e.certificate != nil {
		config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			presented = true
			return e.certificate, nil
		}
	}
	client := tls.Client(e.conn, config)
	e.conn = client
	if err := client.HandshakeContext(ctx); err != nil {
		return failed(reasonNotSent, toldOfTLS(err))
	}
	state := client.ConnectionState()
	leaf := state.PeerCertificates[0]
	message := fmt.Sprintf("%s, certificate of %s, issued by %s, valid until %s", tls.VersionName(state.Version),
		subject(leaf), leaf.Issuer.CommonName, leaf.NotAfter.UTC().Format(time.DateOnly))
	switch {
	case presented:
		message += "; the client certificate was presented"
	case e.certificate != nil:
		message += "; the server did not ask for the client certificate"
	}
	return ok(message)
}

// toldOfTLS says what is wrong with a certificate in words that lead to a repair.
func toldOfTLS(err error) string {
	var authority x509.UnknownAuthorityError
	var name x509.HostnameError
	var invalid x509.CertificateInvalidError
	var record tls.RecordHeaderError
	switch {
	case errors.As(err, &authority):
		return "the certificate is not issued by an authority that is trusted here: " + authority.Error()
	case errors.As(err, &name):
		return "the certificate is for another name: " + name.Error()
	case errors.As(err, &invalid):
		return "the certificate is not valid: " + invalid.Error()
	case errors.As(err, &record):
		return "the server does not speak TLS on this port"
	default:
		return told(err)
	}
}

func subject(leaf *x509.Certificate) string {
	if len(leaf.DNSNames) > 0 {
		return strings.Join(leaf.DNSNames[:min(3, len(leaf.DNSNames))], ", ")
	}
	return leaf.Subject.CommonName
}

// tokenRequest has the token service make the request, over a connection of its own.
func (e *examination) tokenRequest(ctx context.Context) finding {
	e.close()
	trial, err := e.probe.trier.TryAuthorization(ctx, e.of)
	if err != nil {
		// The error is about our own parts, not about the connection.
		return failed(connection.ReasonServiceUnavailable, "the token service, which makes the request, cannot be reached; try again")
	}
	e.trial = trial
	var f finding
	switch {
	case !trial.Sent:
		f = failed(trial.Reason, trial.Message)
	case trial.HTTPStatus == 0:
		f = failed(reasonOr(trial.Reason, reasonAmbiguous), trial.Message)
	default:
		f = ok(fmt.Sprintf("answered with HTTP status %d", trial.HTTPStatus))
	}
	f.took = trial.Duration
	return f
}

func (e *examination) tokenResponse(context.Context) finding {
	trial := e.trial
	if trial.Failed {
		return failed(trial.Reason, trial.Message)
	}
	message := "a token of type " + trial.TokenType
	if trial.Lifetime > 0 {
		message += ", valid for " + trial.Lifetime.String()
	}
	if len(trial.Scopes) > 0 {
		message += ", with the scopes " + strings.Join(trial.Scopes, " ")
	}
	return ok(message)
}

func reasonOr(reason, otherwise connection.Reason) connection.Reason {
	if reason == "" {
		return otherwise
	}
	return reason
}
