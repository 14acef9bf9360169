package authn_test

import (
	"crypto/sha256"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	errorsv1 "github.com/freshet-io/freshet/gen/freshet/errors/v1"
	"github.com/freshet-io/freshet/services/internal/authn"
	"github.com/freshet-io/freshet/services/internal/rpcerr"
	"github.com/freshet-io/freshet/services/internal/seal"
)

const adminKey = "fk_0123456789abcdefghijklmnopqrstuvwxyzABCDEFG"

var start = time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)

func key(fill string) []byte { return []byte(strings.Repeat(fill, 32)) }

// bearer returns the authorization value that service's credentials send at now.
func bearer(t *testing.T, k []byte, service string, now time.Time) string {
	t.Helper()
	md, err := authn.NewInternalTokens(k, func() time.Time { return now }).Credentials(service).GetRequestMetadata(t.Context())
	require.NoError(t, err)
	return md["authorization"]
}

// jwtWith returns an authorization value of a token with the right key and the given claims.
func jwtWith(t *testing.T, alg jose.SignatureAlgorithm, claims jwt.Claims) string {
	t.Helper()
	k := key("k")
	if alg == jose.HS512 {
		k = append(k, k...)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: k}, nil)
	require.NoError(t, err)
	text, err := jwt.Signed(signer).Claims(claims).Serialize()
	require.NoError(t, err)
	return "Bearer " + text
}

func TestAuthenticate(t *testing.T) {
	auth := authn.New(sha256.Sum256([]byte(adminKey)), authn.NewInternalTokens(key("k"), func() time.Time { return start }))
	admin, token := authn.Principal{Admin: true}, authn.Principal{Service: authn.ServiceToken}
	internal := bearer(t, key("k"), authn.ServiceToken, start)
	claims := jwt.Claims{
		Issuer: "freshet", Subject: authn.ServiceToken, Audience: jwt.Audience{"freshet-internal"},
		IssuedAt: jwt.NewNumericDate(start), Expiry: jwt.NewNumericDate(start.Add(time.Minute)),
	}
	changed := func(change func(*jwt.Claims)) jwt.Claims { c := claims; change(&c); return c }

	for name, tc := range map[string]struct {
		md   metadata.MD
		want authn.Principal
	}{
		"bearer":              {metadata.Pairs("authorization", "Bearer "+adminKey), admin},
		"bearer in lower":     {metadata.Pairs("authorization", "bearer  "+adminKey), admin},
		"x-api-key":           {metadata.Pairs("x-api-key", adminKey), admin},
		"service":             {metadata.Pairs("authorization", internal), token},
		"service for admin":   {metadata.Pairs("authorization", internal, "x-api-key", adminKey), token},
		"first counts":        {metadata.Pairs("authorization", "Bearer "+adminKey, "authorization", internal), admin},
		"slow clock":          {metadata.Pairs("authorization", bearer(t, key("k"), authn.ServiceToken, start.Add(20*time.Second))), token},
		"own claims":          {metadata.Pairs("authorization", jwtWith(t, jose.HS256, claims)), token},
		"nothing":             {md: metadata.MD{}},
		"empty bearer":        {md: metadata.Pairs("authorization", "Bearer ")},
		"empty key":           {md: metadata.Pairs("x-api-key", "")},
		"wrong bearer":        {md: metadata.Pairs("authorization", "Bearer "+adminKey+"x")},
		"wrong key":           {md: metadata.Pairs("x-api-key", "fk_wrong")},
		"basic":               {md: metadata.Pairs("authorization", "Basic "+adminKey)},
		"no scheme":           {md: metadata.Pairs("authorization", adminKey)},
		"one wrong of two":    {md: metadata.Pairs("authorization", "Bearer "+adminKey, "x-api-key", "fk_wrong")},
		"too many":            {md: metadata.Pairs("x-api-key", adminKey, "x-api-key", adminKey, "x-api-key", adminKey, "x-api-key", adminKey, "x-api-key", adminKey)},
		"internal as api key": {md: metadata.Pairs("x-api-key", strings.TrimPrefix(internal, "Bearer "))},
		"expired":             {md: metadata.Pairs("authorization", bearer(t, key("k"), authn.ServiceToken, start.Add(-6*time.Minute)))},
		"from the future":     {md: metadata.Pairs("authorization", bearer(t, key("k"), authn.ServiceToken, start.Add(time.Minute)))},
		"foreign key":         {md: metadata.Pairs("authorization", bearer(t, key("f"), authn.ServiceToken, start))},
		"other algorithm":     {md: metadata.Pairs("authorization", jwtWith(t, jose.HS512, claims))},
		"other audience":      {md: metadata.Pairs("authorization", jwtWith(t, jose.HS256, changed(func(c *jwt.Claims) { c.Audience = jwt.Audience{"api"} })))},
		"other issuer":        {md: metadata.Pairs("authorization", jwtWith(t, jose.HS256, changed(func(c *jwt.Claims) { c.Issuer = "x" })))},
		"unknown service":     {md: metadata.Pairs("authorization", jwtWith(t, jose.HS256, changed(func(c *jwt.Claims) { c.Subject = "x" })))},
		"never expires":       {md: metadata.Pairs("authorization", jwtWith(t, jose.HS256, changed(func(c *jwt.Claims) { c.Expiry = nil })))},
	} {
		t.Run(name, func(t *testing.T) {
			p, err := auth.Authenticate(tc.md)
			require.Equal(t, tc.want, p)
			if tc.want != (authn.Principal{}) {
				require.NoError(t, err)
				return
			}
			require.Equal(t, codes.Unauthenticated, status.Code(err))
			require.Equal(t, errorsv1.Reason_UNAUTHENTICATED, rpcerr.ReasonOf(err))
			for _, values := range tc.md {
				for _, v := range values {
					if v != "" {
						require.NotContains(t, err.Error(), v)
					}
				}
			}
		})
	}
}

func TestAuthenticateWithoutInternalTokens(t *testing.T) {
	_, err := authn.New(sha256.Sum256([]byte(adminKey)), nil).Authenticate(metadata.Pairs("authorization", bearer(t, key("k"), authn.ServiceToken, start)))
	require.Equal(t, codes.Unauthenticated, status.Code(err))
}

func TestInternalCredentialsRenewThemselves(t *testing.T) {
	now := start
	creds := authn.NewInternalTokens(key("k"), func() time.Time { return now }).Credentials(authn.ServiceGateway)
	require.True(t, creds.RequireTransportSecurity())
	get := func() string {
		md, err := creds.GetRequestMetadata(t.Context())
		require.NoError(t, err)
		return md["authorization"]
	}
	first := get()
	now = start.Add(4 * time.Minute)
	require.Equal(t, first, get())
	now = start.Add(4*time.Minute + time.Second)
	second := get()
	require.NotEqual(t, first, second)

	auth := authn.New([32]byte{}, authn.NewInternalTokens(key("k"), func() time.Time { return start.Add(8 * time.Minute) }))
	p, err := auth.Authenticate(metadata.Pairs("authorization", second))
	require.NoError(t, err)
	require.Equal(t, authn.Principal{Service: authn.ServiceGateway}, p)
}

func TestInternalCredentialsRefuse(t *testing.T) {
	now := func() time.Time { return start }
	_, err := authn.NewInternalTokens(key("k"), now).Credentials("stranger").GetRequestMetadata(t.Context())
	require.ErrorContains(t, err, "stranger")
	_, err = authn.NewInternalTokens([]byte("short"), now).Credentials(authn.ServiceToken).GetRequestMetadata(t.Context())
	require.Error(t, err)
}

func TestAdminCredentials(t *testing.T) {
	creds := authn.AdminCredentials(seal.NewSecret(adminKey))
	require.True(t, creds.RequireTransportSecurity())
	md, err := creds.GetRequestMetadata(t.Context())
	require.NoError(t, err)
	_, err = authn.New(sha256.Sum256([]byte(adminKey)), nil).Authenticate(metadata.New(md))
	require.NoError(t, err)
}

func TestAdminKeyIsCreatedOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "admin.key")
	type result struct {
		hash    [32]byte
		created bool
		err     error
	}
	results := make([]result, 8)
	var wg sync.WaitGroup
	for i := range results {
		wg.Go(func() {
			r := &results[i]
			r.hash, r.created, r.err = authn.LoadOrCreateAdminKey(path)
		})
	}
	wg.Wait()

	creators := 0
	for _, r := range results {
		require.NoError(t, r.err)
		require.Equal(t, results[0].hash, r.hash)
		if r.created {
			creators++
		}
	}
	require.Equal(t, 1, creators)

	secret, err := authn.ReadAdminKey(path)
	require.NoError(t, err)
	require.Regexp(t, `^fk_[A-Za-z0-9_-]{43}$`, secret.Reveal())
	require.Equal(t, results[0].hash, sha256.Sum256([]byte(secret.Reveal())))

	stat, err := os.Stat(path)
	require.NoError(t, err)
	require.Equal(t, fs.FileMode(0o600), stat.Mode().Perm())
	entries, err := os.ReadDir(filepath.Dir(path))
	require.NoError(t, err)
	require.Len(t, entries, 1, "no temporary file stays behind")
}

func TestAdminKeyOfTheOperator(t *testing.T) {
	for name, tc := range map[string]struct {
		text string
		mode fs.FileMode
		want error
	}{
		"own":            {strings.Repeat("x", 32) + "\r\n", 0o600, nil},
		"group may read": {strings.Repeat("x", 32), 0o440, nil},
		"world may read": {strings.Repeat("x", 32), 0o644, authn.ErrAdminKeyMode},
		"group writes":   {strings.Repeat("x", 32), 0o660, authn.ErrAdminKeyMode},
		"empty":          {"", 0o600, authn.ErrAdminKeyMalformed},
		"short":          {strings.Repeat("x", 31), 0o600, authn.ErrAdminKeyMalformed},
		"two words":      {strings.Repeat("x", 32) + " " + strings.Repeat("y", 32), 0o600, authn.ErrAdminKeyMalformed},
		"not ASCII":      {strings.Repeat("ü", 32), 0o600, authn.ErrAdminKeyMalformed},
		"huge":           {strings.Repeat("x", 1<<20), 0o600, authn.ErrAdminKeyMalformed},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "admin.key")
			require.NoError(t, os.WriteFile(path, []byte(tc.text), 0o600))
			require.NoError(t, os.Chmod(path, tc.mode))
			hash, created, err := authn.LoadOrCreateAdminKey(path)
			require.False(t, created)
			if tc.want != nil {
				require.ErrorIs(t, err, tc.want)
				require.NotContains(t, err.Error(), "xxx")
				return
			}
			require.NoError(t, err)
			require.Equal(t, sha256.Sum256([]byte(strings.TrimSpace(tc.text))), hash)
		})
	}
}

func TestAdminKeyNeedsItsDirectory(t *testing.T) {
	_, _, err := authn.LoadOrCreateAdminKey(filepath.Join(t.TempDir(), "missing", "admin.key"))
	require.ErrorIs(t, err, fs.ErrNotExist)
}

func TestPrincipal(t *testing.T) {
	_, ok := authn.FromContext(t.Context())
	require.False(t, ok)
	p, ok := authn.FromContext(authn.WithPrincipal(t.Context(), authn.Principal{Service: authn.ServiceDelivery}))
	require.True(t, ok)
	require.Equal(t, "service/delivery", p.String())
	require.Equal(t, "admin", authn.Principal{Admin: true}.String())
	require.Equal(t, "nobody", authn.Principal{}.String())
}
