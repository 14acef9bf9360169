package interop

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"net/http"
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"

	connectionv1 "github.com/freshet-io/freshet/gen/freshet/connection/v1"
	errorsv1 "github.com/freshet-io/freshet/gen/freshet/errors/v1"
	tokenv1 "github.com/freshet-io/freshet/gen/freshet/token/v1"
)

// rounds is how often each grant is rotated; the suite is killed after every killEvery-th.
const rounds, killEvery = 9, 3

func newKey(t *testing.T) (*ecdsa.PublicKey, *connectionv1.SigningKey) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	der, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	text := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
	return &key.PublicKey, &connectionv1.SigningKey{PrivateKey: string(text), KeyId: "k1"}
}

// behavior is fosite's: a refresh token is good once, and its use ends the access token that came with it.
func behavior(as *authServer) *connectionv1.ProviderBehavior {
	return &connectionv1.ProviderBehavior{
		RotationRecovery: connectionv1.ProviderBehavior_SINGLE_USE, OldAccessToken: connectionv1.ProviderBehavior_KILLED,
		RevocationEndpoint: as.URL + "/revoke",
	}
}

func byKey(as *authServer, key *connectionv1.SigningKey, grant connectionv1.OAuth2Authorization_GrantType) *connectionv1.OAuth2Authorization {
	return &connectionv1.OAuth2Authorization{
		GrantType: grant, TokenEndpoint: as.tokenEndpoint(), ClientId: keyClient, SigningKey: key,
		ClientAuthentication: connectionv1.OAuth2Authorization_PRIVATE_KEY_JWT, ProviderBehavior: behavior(as),
	}
}

func imported(as *authServer, refreshToken string) *connectionv1.OAuth2Authorization {
	return &connectionv1.OAuth2Authorization{
		GrantType: connectionv1.OAuth2Authorization_REFRESH_TOKEN, TokenEndpoint: as.tokenEndpoint(), ClientId: secretClient,
		ClientSecret: secret, RefreshToken: refreshToken, ProviderBehavior: behavior(as),
	}
}

// TestRotations takes a code, an imported refresh token and client credentials through many generations, and kills the suite in between.
func TestRotations(t *testing.T) {
	public, key := newKey(t)
	as, s := newAuthServer(t, public), newSuite(t)
	code := byKey(as, key, connectionv1.OAuth2Authorization_AUTHORIZATION_CODE)
	code.AuthorizationCode = &connectionv1.AuthorizationCode{Code: as.code(t, keyClient), RedirectUri: redirectURI}
	machine := byKey(as, key, connectionv1.OAuth2Authorization_CLIENT_CREDENTIALS)
	machine.Scopes = []string{scope}
	machine.ProviderBehavior.OldAccessToken = connectionv1.ProviderBehavior_SURVIVES
	machine.RefreshPolicy = &connectionv1.RefreshPolicy{RevokeSuperseded: true}
	tokens := []*tokenv1.Token{
		s.generation(s.connect("code", code), 1),
		s.generation(s.connect("imported", imported(as, as.grant(t))), 1),
		s.generation(s.connect("machine", machine), 1),
	}
	for round := range rounds {
		for i, former := range tokens {
			next := s.expire(former)
			require.Equal(t, former.GetGeneration()+1, next.GetGeneration())
			require.True(t, as.active(t, next.GetAccessToken()), "%s, round %d", next.GetName(), round)
			require.NotEqual(t, former.GetAccessToken(), next.GetAccessToken())
			tokens[i] = next
		}
		if round%killEvery == killEvery-1 {
			s.restart()
			for _, token := range tokens {
				kept := s.generation(token.GetName(), token.GetGeneration())
				require.Equal(t, token.GetAccessToken(), kept.GetAccessToken())
			}
		}
	}
	as.requireEachOnce(t)
	for _, token := range tokens[:2] {
		require.Contains(t, token.GetScopes(), offline)
	}

	former := tokens[2]
	_, err := tokenv1.NewTokenServiceClient(s.conn).RefreshToken(t.Context(), &tokenv1.RefreshTokenRequest{Name: former.GetName()})
	require.NoError(t, err)
	require.Eventually(t, func() bool { return !as.active(t, former.GetAccessToken()) }, patience, patience/100, "revoked with a client assertion")
}

// TestAnAnswerThatDiedWithTheSuite kills the suite when the server has redeemed a refresh token and not yet answered. Nobody has its
// successor then, and the one thing that must not happen is a second redemption.
func TestAnAnswerThatDiedWithTheSuite(t *testing.T) {
	public, _ := newKey(t)
	as, s := newAuthServer(t, public), newSuite(t)
	token := s.generation(s.connect("lost", imported(as, as.grant(t))), 1)
	killed := make(chan struct{})
	as.beforeNextAnswer(func() {
		s.kill()
		close(killed)
	})
	_, _ = tokenv1.NewTokenServiceClient(s.conn).RefreshToken(t.Context(), &tokenv1.RefreshTokenRequest{Name: token.GetName()})
	<-killed
	s.start()
	s.await(token.GetName(), func(t *tokenv1.Token) bool {
		return t.GetRefreshHealth().GetLastFailureClass() == tokenv1.FailureClass_GRANT_DEAD
	})
	_, err := tokenv1.NewTokenServiceClient(s.conn).SimulateExpiry(t.Context(), &tokenv1.SimulateExpiryRequest{Name: token.GetName()})
	require.NoError(t, err)
	s.await(token.GetName(), func(t *tokenv1.Token) bool { return t.GetStateReason() == errorsv1.Reason_ROTATION_LOST })
	as.requireEachOnce(t)
}

func TestRefusals(t *testing.T) {
	public, _ := newKey(t)
	_, wrong := newKey(t)
	as, s := newAuthServer(t, public), newSuite(t)
	deauthorized := func(name string) *tokenv1.Token {
		return s.await(name, func(t *tokenv1.Token) bool { return t.GetState() == tokenv1.Token_DEAUTHORIZED })
	}
	t.Run("a key that the server does not know", func(t *testing.T) {
		name := s.connect("wrong-key", byKey(as, wrong, connectionv1.OAuth2Authorization_CLIENT_CREDENTIALS))
		require.Equal(t, errorsv1.Reason_CLIENT_BROKEN, deauthorized(name).GetStateReason())
	})
	t.Run("a grant that the end user revoked", func(t *testing.T) {
		token := s.generation(s.connect("revoked", imported(as, as.grant(t))), 1)
		status, _ := as.post(t, "/revoke", url.Values{"token": {token.GetAccessToken()}})
		require.Equal(t, http.StatusOK, status)
		require.False(t, as.active(t, token.GetAccessToken()))
		_, err := tokenv1.NewTokenServiceClient(s.conn).SimulateExpiry(t.Context(), &tokenv1.SimulateExpiryRequest{Name: token.GetName()})
		require.NoError(t, err)
		require.Equal(t, errorsv1.Reason_GRANT_DEAD, deauthorized(token.GetName()).GetStateReason())
	})
}

// TestTheServerNoticesReuse shows that the other tests can fail: a refresh token that is redeemed twice ends the grant.
func TestTheServerNoticesReuse(t *testing.T) {
	public, _ := newKey(t)
	as, s := newAuthServer(t, public), newSuite(t)
	seed := as.grant(t)
	token := s.generation(s.connect("stolen", imported(as, seed)), 1)
	require.True(t, as.active(t, token.GetAccessToken()))
	status, answer := as.post(t, "/token", url.Values{"grant_type": {"refresh_token"}, "refresh_token": {seed}})
	require.Equal(t, http.StatusBadRequest, status)
	require.Equal(t, "invalid_grant", answer["error"])
	require.Equal(t, 1, as.reuses)
	require.False(t, as.active(t, token.GetAccessToken()), "the whole family is revoked")
	_, err := tokenv1.NewTokenServiceClient(s.conn).SimulateExpiry(t.Context(), &tokenv1.SimulateExpiryRequest{Name: token.GetName()})
	require.NoError(t, err)
	s.await(token.GetName(), func(t *tokenv1.Token) bool { return t.GetStateReason() == errorsv1.Reason_GRANT_DEAD })
}
