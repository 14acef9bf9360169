package authserver

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// claims is the payload of an access token (RFC 9068 §2.2).
type claims struct {
	Issuer   string      `json:"iss"`
	Subject  string      `json:"sub"`
	Audience []string    `json:"aud"`
	ClientID string      `json:"client_id"`
	Scope    string      `json:"scope,omitempty"`
	IssuedAt numericDate `json:"iat"`
	Expiry   numericDate `json:"exp"`
	ID       string      `json:"jti"`

	Confirmation *confirmation `json:"cnf,omitempty"`
}

// numericDate is a NumericDate with its fraction (RFC 7519 §2 allows one). Whole seconds would
// move the end of a five-second token by up to a fifth of its life, so that exp and expires_in
// would name different instants.
type numericDate time.Time

// MarshalJSON writes seconds since the epoch with at most six decimals.
func (d numericDate) MarshalJSON() ([]byte, error) {
	t := time.Time(d)
	return fmt.Appendf(nil, "%s", decimalSeconds(t.Unix(), t.Nanosecond()/int(time.Microsecond))), nil
}

// decimalSeconds writes seconds and microseconds as the shortest exact decimal number.
func decimalSeconds(seconds int64, micros int) string {
	text := strconv.FormatInt(seconds, 10)
	if micros == 0 {
		return text
	}
	return text + "." + strings.TrimRight(fmt.Sprintf("%06d", micros), "0")
}

// keyring holds the signing key and every public key it ever had, so that tokens signed before a
// key rotation stay verifiable.
type keyring struct {
	signer jose.Signer
	public jose.JSONWebKeySet
}

// rotate makes a fresh ES256 key the signing key. ES256 rather than RS256 because making an RSA
// key would dominate the start of every test.
func (k *keyring) rotate() error {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return fmt.Errorf("authserver: make signing key: %w", err)
	}
	key := jose.JSONWebKey{Key: private, Algorithm: string(jose.ES256), Use: "sig"}
	thumbprint, err := key.Thumbprint(crypto.SHA256)
	if err != nil {
		return fmt.Errorf("authserver: name signing key: %w", err)
	}
	key.KeyID = base64.RawURLEncoding.EncodeToString(thumbprint)
	options := (&jose.SignerOptions{}).WithType("at+jwt")
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: key}, options)
	if err != nil {
		return fmt.Errorf("authserver: use signing key: %w", err)
	}
	k.signer = signer
	k.public.Keys = append(k.public.Keys, key.Public())
	return nil
}

// sign returns the claims as a compact JWT.
func (k *keyring) sign(c claims) (string, error) {
	payload, err := json.Marshal(c)
	if err != nil {
		return "", fmt.Errorf("authserver: encode claims: %w", err)
	}
	signed, err := k.signer.Sign(payload)
	if err != nil {
		return "", fmt.Errorf("authserver: sign token: %w", err)
	}
	token, err := signed.CompactSerialize()
	if err != nil {
		return "", fmt.Errorf("authserver: serialize token: %w", err)
	}
	return token, nil
}
