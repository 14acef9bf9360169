package oauth_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/freshet-io/freshet/services/internal/seal"
	"github.com/freshet-io/freshet/services/token"
	"github.com/freshet-io/freshet/services/token/oauth"
)

// canaries are secrets of every kind in settings for a grant.
func canaries(t *testing.T, grant token.Kind, way token.ClientAuthentication) (token.OAuth2, token.Grant, []string) {
	t.Helper()
	var all []string
	canary := func(name string) seal.Secret {
		text := "canary+" + name + "/%"
		all = append(all, text, url.QueryEscape(text), url.PathEscape(text))
		return seal.NewSecret(text)
	}
	_, key := ed25519Key(t)
	all = append(all, key, "canary", "eyJ") // the last one begins every assertion
	settings := token.OAuth2{
		Grant: grant, ClientID: clientID, ClientAuthentication: way,
		ClientSecret: canary("secret"), AlternateClientSecret: canary("alternate"), RefreshToken: canary("imported"),
		SigningKey:    token.SigningKey{PrivateKey: seal.NewSecret(key)},
		Code:          token.AuthorizationCode{Code: canary("code"), CodeVerifier: canary("verifier")},
		Exchange:      token.TokenExchange{SubjectToken: canary("subject"), ActorToken: canary("actor"), ActorTokenType: "t"},
		ResourceOwner: token.ResourceOwner{Username: "alice", Password: canary("password")},
		Parameters: token.Fields{
			Headers: []token.Field{{Key: "X-Key", Value: canary("header")}},
			Query:   []token.Field{{Key: "key", Value: canary("query")}},
			Body:    []token.Field{{Key: "key", Value: canary("body")}},
		},
	}
	held := token.Grant{RefreshToken: canary("held")}
	for _, secret := range []seal.Secret{settings.ClientSecret, settings.AlternateClientSecret} {
		pair := clientID + ":" + secret.Reveal()
		encoded := url.QueryEscape(clientID) + ":" + url.QueryEscape(secret.Reveal())
		all = append(all, base64.StdEncoding.EncodeToString([]byte(pair)), base64.StdEncoding.EncodeToString([]byte(encoded)))
	}
	return settings, held, all
}

// echo answers with everything that it got, where servers put what they say about an error.
func echo(status int, form bool) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		decoded, _ := url.QueryUnescape(string(body))
		query, _ := url.QueryUnescape(r.URL.RawQuery)
		said := fmt.Sprint(r.Header, " ", r.URL, " ", query, " ", decoded, " ", string(body))
		for _, text := range []string{decoded, r.Header.Get("Authorization"), said} { // each of them first, for they are shortened
			said = text + " " + said
		}
		code := r.FormValue("key") + r.Header.Get("X-Key")
		w.WriteHeader(status)
		if form {
			_, _ = io.WriteString(w, url.Values{"error": {code}, "error_description": {said}}.Encode())
			return
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"error": code, "error_description": said})
	}
}

var kinds = []token.Kind{
	token.KindClientCredentials, token.KindRefreshToken, token.KindAuthorizationCode, token.KindJWTBearer, token.KindTokenExchange, token.KindPassword,
}

var ways = []token.ClientAuthentication{
	token.ClientSecretBasic, token.ClientSecretBasicRaw, token.ClientSecretPost, token.PrivateKeyJWT, token.NoClientAuth,
}

// TestNoErrorHasASecret goes through every grant, authentication, dialect and way to fail.
func TestNoErrorHasASecret(t *testing.T) {
	spans := tracetest.NewInMemoryExporter()
	provider := trace.NewTracerProvider(trace.WithSyncer(spans))
	closed := httptest.NewServer(http.NotFoundHandler())
	closed.Close()
	endpoints := map[string]string{"unreachable": closed.URL, "no URL": "http://[canary", "no host": "canary"}
	for name, handler := range map[string]http.Handler{
		"echo":       echo(http.StatusBadRequest, false),
		"echo, 401":  echo(http.StatusUnauthorized, false),
		"echo, 200":  echo(http.StatusOK, false),
		"echo, form": echo(http.StatusBadRequest, true),
		"echo, text": http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _ = r.Write(w) }),
		"abort":      http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }),
		"silence":    http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body); <-r.Context().Done() }),
		"redirect":   http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, r.URL.String(), http.StatusFound) }),
		"internal":   echo(http.StatusInternalServerError, false),
		"malformed":  http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, `{"access_token":"canary"`) }),
		"token is odd": http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, `{"access_token":"canary \n"}x`)
		}),
		"bad character": http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, `{"access_token":"a canary"}`) }),
	} {
		server := httptest.NewServer(handler)
		t.Cleanup(server.Close)
		endpoints[name] = server.URL
	}
	client := newClient(t, oauth.Config{Tracer: provider})
	for name, endpoint := range endpoints {
		for _, kind := range kinds {
			for _, way := range ways {
				for _, dialect := range []token.Dialect{{}, {Method: "GET"}, {Encoding: "JSON"}} {
					settings, held, secrets := canaries(t, kind, way)
					settings.TokenEndpoint, settings.Provider.RevocationEndpoint, settings.Dialect = endpoint, endpoint, dialect
					ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
					if name == "silence" {
						ctx, cancel = context.WithTimeout(t.Context(), 5*time.Millisecond)
					}
					answer, err := client.Exchange(ctx, settings, held)
					if err == nil {
						_, err = client.Read(answer, settings, held)
					}
					revoked := client.Revoke(ctx, settings, held.RefreshToken, oauth.HintRefreshToken)
					cancel()
					if name == "token is odd" {
						continue // it is trimmed and used
					}
					require.Error(t, err, name)
					texts := fmt.Sprintf("%v %+v %#v %v", err, err, err, answer)
					var failure *token.Failure
					require.ErrorAs(t, err, &failure)
					texts += fmt.Sprintf("%+v %v", *failure, revoked)
					requireNoSecrets(t, texts, secrets...)
				}
			}
		}
	}
	recorded, err := json.Marshal(spans.GetSpans())
	require.NoError(t, err)
	require.Greater(t, len(spans.GetSpans()), 1000)
	requireNoSecrets(t, string(recorded), "canary")
}

func TestKeysAreNotInErrors(t *testing.T) {
	client := newClient(t, oauth.Config{})
	for _, key := range []string{
		"canary", "-----BEGIN PRIVATE KEY-----\nY2FuYXJ5\n-----END PRIVATE KEY-----\n", "-----BEGIN RSA PRIVATE KEY-----\nY2FuYXJ5\n-----END RSA PRIVATE KEY-----\n",
		`{"kty":"canary"}`, `{"kty":"oct","k":"Y2FuYXJ5"}`, `{"kty":"EC","crv":"P-256","x":"Y2FuYXJ5","y":"Y2FuYXJ5","d":"Y2FuYXJ5"}`,
	} {
		_, failure := try(t, client, token.OAuth2{
			TokenEndpoint: "https://as.example/token", ClientID: "c", ClientAuthentication: token.PrivateKeyJWT,
			SigningKey: token.SigningKey{PrivateKey: seal.NewSecret(key)},
		}, token.Grant{})
		require.NotNil(t, failure)
		require.Equal(t, token.ClassClientBroken, failure.Class)
		requireNoSecrets(t, failure.Message, "canary", "Y2FuYXJ5")
	}
}
