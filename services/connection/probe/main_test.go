package probe_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"io"
	"log"
	"mime"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"golang.org/x/net/dns/dnsmessage"
	"google.golang.org/protobuf/types/known/durationpb"

	errorsv1 "github.com/freshet-io/freshet/gen/freshet/errors/v1"
	tokenv1 "github.com/freshet-io/freshet/gen/freshet/token/v1"
	"github.com/freshet-io/freshet/services/connection"
	"github.com/freshet-io/freshet/services/connection/connectiontest"
	"github.com/freshet-io/freshet/services/connection/probe"
	"github.com/freshet-io/freshet/services/connection/tokens"
	"github.com/freshet-io/freshet/services/internal/authn"
	"github.com/freshet-io/freshet/services/internal/egress"
	"github.com/freshet-io/freshet/services/internal/seal"

	"google.golang.org/grpc"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// goodSecret is the client secret that the authorization server accepts. Neither it nor a wrong one may show in a step.
const (
	goodSecret  = "canary-good"
	wrongSecret = "canary-wrong"
)

// newAuthorizationServer answers /token as an authorization server, and every other path with a page for people. Its certificate is for
// example.com and 127.0.0.1.
func newAuthorizationServer(t *testing.T, withTLS bool) *httptest.Server {
	t.Helper()
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, secret, _ := r.BasicAuth()
		switch {
		case r.URL.Path != "/token":
			w.Header().Set("Content-Type", "text/html")
			_, _ = io.WriteString(w, "<html>Welcome</html>")
		case secret != goodSecret:
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusUnauthorized)
			_, _ = io.WriteString(w, `{"error":"invalid_client","error_description":"no such client"}`)
		default:
			w.Header().Set("Content-Type", "application/json")
			_, _ = io.WriteString(w, `{"access_token":"canary-token","token_type":"Bearer","expires_in":3600}`)
		}
	}))
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // refused handshakes are part of the tests
	if withTLS {
		server.StartTLS()
	} else {
		server.Start()
	}
	t.Cleanup(server.Close)
	return server
}

// newGuard allows loopback, trusts the server, and looks names up in answers alone.
func newGuard(t *testing.T, server *httptest.Server, allowHTTP bool, answers map[string][]string) *egress.Guard {
	t.Helper()
	networks, err := egress.ParseNetworks([]string{"loopback"})
	require.NoError(t, err)
	options := egress.Options{Resolver: newResolver(t, answers)}
	if server != nil && server.Certificate() != nil {
		roots := x509.NewCertPool()
		roots.AddCert(server.Certificate())
		options.TLS = &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
	}
	return egress.NewGuard(egress.Policy{AllowNetworks: networks, AllowHTTP: allowHTTP}, options)
}

// newResolver returns a resolver that asks a DNS server with these addresses; other names do not exist.
func newResolver(t *testing.T, answers map[string][]string) *net.Resolver {
	t.Helper()
	conn, err := new(net.ListenConfig).ListenPacket(t.Context(), "udp", "127.0.0.1:0")
	require.NoError(t, err)
	done := make(chan struct{})
	go func() {
		defer close(done)
		packet := make([]byte, 1500)
		for {
			n, from, err := conn.ReadFrom(packet)
			if err != nil {
				return
			}
			if response := answer(packet[:n], answers); response != nil {
				_, _ = conn.WriteTo(response, from)
			}
		}
	}()
	t.Cleanup(func() {
		require.NoError(t, conn.Close())
		<-done
	})
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "udp", conn.LocalAddr().String())
	}}
}

func answer(packet []byte, answers map[string][]string) []byte {
	var m dnsmessage.Message
	if m.Unpack(packet) != nil || len(m.Questions) != 1 {
		return nil
	}
	question := m.Questions[0]
	m.Response, m.Additionals = true, nil
	addresses, known := answers[strings.TrimSuffix(question.Name.String(), ".")]
	if !known {
		m.RCode = dnsmessage.RCodeNameError
	}
	for _, a := range addresses {
		if question.Type == dnsmessage.TypeA {
			m.Answers = append(m.Answers, dnsmessage.Resource{
				Header: dnsmessage.ResourceHeader{Name: question.Name, Type: question.Type, Class: question.Class, TTL: 1},
				Body:   &dnsmessage.AResource{A: netip.MustParseAddr(a).As4()},
			})
		}
	}
	packed, err := m.Pack()
	if err != nil {
		return nil
	}
	return packed
}

// newProbe returns a probe whose token requests are made by a token service over gRPC, through the same guard.
func newProbe(t *testing.T, guard *egress.Guard) *probe.Probe {
	t.Helper()
	t.Cleanup(guard.Client().CloseIdleConnections)
	service := &connectiontest.TokenService{Try: func(
		ctx context.Context, req *tokenv1.TryAuthorizationRequest,
	) (*tokenv1.TryAuthorizationResponse, error) {
		return request(ctx, guard.Client(), req)
	}}
	server := connectiontest.Serve(t, func(r grpc.ServiceRegistrar) { tokenv1.RegisterTokenInternalServiceServer(r, service) })
	return probe.New(guard, tokens.New(server.As(t, authn.ServiceConnection)))
}

// request makes a token request as far as these tests need one.
func request(ctx context.Context, client *http.Client, req *tokenv1.TryAuthorizationRequest) (*tokenv1.TryAuthorizationResponse, error) {
	a := req.GetSettings().GetOauth2()
	body := strings.NewReader(url.Values{"grant_type": {"client_credentials"}}.Encode())
	post, err := http.NewRequestWithContext(ctx, http.MethodPost, a.GetTokenEndpoint(), body)
	if err != nil {
		return nil, err
	}
	post.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	post.SetBasicAuth(a.GetClientId(), a.GetClientSecret())
	response, err := client.Do(post)
	if err != nil {
		return &tokenv1.TryAuthorizationResponse{
			FailureClass: tokenv1.FailureClass_NOT_SENT, Reason: errorsv1.Reason_NOT_SENT, Message: egress.WithoutURL(err).Error(),
		}, nil
	}
	defer response.Body.Close()
	out := &tokenv1.TryAuthorizationResponse{Sent: true, HttpStatus: int32(response.StatusCode), Duration: durationpb.New(time.Millisecond)}
	kind, _, _ := mime.ParseMediaType(response.Header.Get("Content-Type"))
	var answered struct {
		TokenType string `json:"token_type"`
		ExpiresIn int    `json:"expires_in"`
		Error     string `json:"error"`
	}
	switch {
	case kind != "application/json":
		out.FailureClass, out.Reason = tokenv1.FailureClass_CONFIGURATION, errorsv1.Reason_CONFIGURATION
		out.Message = "the answer is " + kind + ", not a token response"
	case json.NewDecoder(response.Body).Decode(&answered) != nil || answered.Error != "":
		out.FailureClass, out.Reason = tokenv1.FailureClass_CLIENT_BROKEN, errorsv1.Reason_CLIENT_BROKEN
		out.Message = answered.Error
	default:
		out.TokenType, out.Lifetime = answered.TokenType, durationpb.New(time.Duration(answered.ExpiresIn)*time.Second)
		out.Scopes = []string{"a", "b"}
	}
	return out, nil
}

func calling(endpoint, secret string) connection.Connection {
	return connection.Connection{
		Name: connection.Name{Project: "p", ID: "c"}, UID: "u", Revision: 1,
		Settings: connection.Settings{Kind: connection.KindOAuth2, OAuth2: connection.OAuth2{
			GrantType: connection.ClientCredentials, TokenEndpoint: endpoint, ClientID: "id", ClientSecret: seal.NewSecret(secret),
			ClientAuthentication: connection.ClientSecretBasic,
		}},
	}
}
