package tokensource

import (
	"context"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/status"
)

// PerRPCCredentials returns credentials that put the current credential's
// headers on every gRPC call as metadata, for
// [google.golang.org/grpc.WithPerRPCCredentials] or
// [google.golang.org/grpc.PerRPCCredentials]. They require transport security,
// see [WithInsecureRPC].
//
// A call for which there is no credential fails: with UNAVAILABLE when that will
// pass, with UNAUTHENTICATED when somebody must repair something, when the watch
// has ended, and when the credential has query or body parameters, is bound to
// a key or signs requests. A call that
// the server refuses is not repeated; tell it by [Source.ReportRejected].
func (s *Source) PerRPCCredentials() credentials.PerRPCCredentials {
	return perRPC{source: s}
}

type perRPC struct{ source *Source }

// GetRequestMetadata implements [credentials.PerRPCCredentials].
func (p perRPC) GetRequestMetadata(ctx context.Context, _ ...string) (map[string]string, error) {
	token, err := p.source.forRequest(ctx)
	if err != nil {
		return nil, p.source.statusOf(err)
	}
	credential := credentialOf(token)
	if len(credential.GetQuery())+len(credential.GetBody()) > 0 {
		return nil, status.Errorf(codes.Unauthenticated,
			"tokensource: %s: the credential has query or body parameters, which a gRPC call cannot carry", p.source.name)
	}
	if token.GetDpop() != nil {
		return nil, status.Errorf(codes.Unauthenticated,
			"tokensource: %s: the token is bound to a key (RFC 9449), which is proved to HTTP APIs only", p.source.name)
	}
	if token.GetOauth1() != nil {
		return nil, status.Errorf(codes.Unauthenticated,
			"tokensource: %s: requests are signed (RFC 5849), which only those to HTTP APIs can be", p.source.name)
	}
	fields := make(map[string]string, len(credential.GetHeaders()))
	for _, h := range credential.GetHeaders() {
		fields[strings.ToLower(h.GetKey())] = h.GetValue()
	}
	return fields, nil
}

// RequireTransportSecurity implements [credentials.PerRPCCredentials].
func (p perRPC) RequireTransportSecurity() bool { return !p.source.opts.insecureRPC }

// statusOf returns the error of a read as a status of those that gRPC passes on
// from credentials (gRFC A54).
func (s *Source) statusOf(err error) error {
	if s.final(err) || needsRepair(err) {
		return status.Error(codes.Unauthenticated, err.Error())
	}
	return status.Error(codes.Unavailable, err.Error())
}
