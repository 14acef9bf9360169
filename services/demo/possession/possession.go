package possession

import (
	"crypto"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// Error codes of RFC 9449 §§5, 7.1, 8 and 9.
const (
	ErrorInvalidProof = "invalid_dpop_proof"
	ErrorUseNonce     = "use_dpop_nonce"
)

// window is how far the time of a proof may be from ours.
const window = time.Minute

// Refusal says what is wrong with a proof.
type Refusal struct {
	Code        string
	Description string
}

// Policy is what a Checker wants besides a valid proof.
type Policy struct {
	// Nonce is for how long each of its nonces is taken; 0: proofs need none.
	Nonce time.Duration
}

// Checker is a server's view of proofs. It is safe for concurrent use.
type Checker struct {
	now func() time.Time

	mu     sync.Mutex
	policy Policy
	nonce  string
	made   time.Time
	used   map[string]time.Time // ids of proofs, until nobody would take them anyway
}

// New returns a Checker. now is its clock; nil means time.Now.
func New(policy Policy, now func() time.Time) *Checker {
	if now == nil {
		now = time.Now
	}
	return &Checker{now: now, policy: policy, used: map[string]time.Time{}}
}

// SetPolicy changes what is wanted from now on.
func (c *Checker) SetPolicy(p Policy) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.policy = p
}

// Nonce returns the nonce that proofs have to have; empty if they need none.
func (c *Checker) Nonce() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.policy.Nonce == 0 {
		return ""
	}
	if now := c.now(); c.nonce == "" || now.Sub(c.made) >= c.policy.Nonce {
		c.nonce, c.made = rand.Text(), now
	}
	return c.nonce
}

// Renew ends the nonce at once, and returns the next one.
func (c *Checker) Renew() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.nonce, c.made = rand.Text(), c.now()
	return c.nonce
}

// proof is what a proof says, RFC 9449 §4.2.
type proof struct {
	ID     string `json:"jti"`
	Method string `json:"htm"`
	Target string `json:"htu"`
	Time   int64  `json:"iat"`
	Nonce  string `json:"nonce"`
	Token  string `json:"ath"`
}

// Check checks the proof of a request to the given URL, with the access token that it carries, or "" for a token request. It returns the
// thumbprint of the proof's key, RFC 7638.
func (c *Checker) Check(r *http.Request, target, accessToken string) (thumbprint string, refusal *Refusal) {
	values := r.Header.Values("DPoP")
	if len(values) != 1 {
		return "", invalid("there must be exactly one header DPoP")
	}
	p, thumbprint, refusal := parse(values[0])
	if refusal != nil {
		return "", refusal
	}
	nonce := c.Nonce()
	age := c.now().Sub(time.Unix(p.Time, 0))
	switch {
	case p.Method != r.Method:
		return "", invalid("htm is not the method of the request")
	case !sameTarget(p.Target, target):
		return "", invalid("htu is not the URL of the request")
	case nonce != "" && p.Nonce != nonce:
		return "", &Refusal{Code: ErrorUseNonce, Description: "the proof must have the nonce of the header DPoP-Nonce"}
	case age > window || age < -window:
		return "", invalid("iat is too far from the present")
	case accessToken != "" && p.Token != hash(accessToken):
		return "", invalid("ath is not the hash of the access token")
	case p.ID == "" || !c.first(p.ID):
		return "", invalid("jti was used before")
	}
	return thumbprint, nil
}

// first reports whether the id of a proof is new, and takes it.
func (c *Checker) first(id string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.now()
	for other, until := range c.used {
		if now.After(until) {
			delete(c.used, other)
		}
	}
	if _, used := c.used[id]; used {
		return false
	}
	c.used[id] = now.Add(2 * window)
	return true
}

// parse reads a proof and verifies its signature with the key that it brings.
func parse(text string) (proof, string, *Refusal) {
	algorithms := []jose.SignatureAlgorithm{jose.ES256, jose.ES384, jose.ES512, jose.EdDSA, jose.RS256, jose.PS256}
	signed, err := jose.ParseSignedCompact(text, algorithms)
	if err != nil {
		return proof{}, "", invalid("it is not a signed JWT of an asymmetric algorithm")
	}
	header := signed.Signatures[0].Protected
	if header.ExtraHeaders[jose.HeaderType] != "dpop+jwt" {
		return proof{}, "", invalid("typ is not dpop+jwt")
	}
	key := header.JSONWebKey
	if key == nil || !key.Valid() || !key.IsPublic() {
		return proof{}, "", invalid("jwk is not a public key")
	}
	payload, err := signed.Verify(key)
	if err != nil {
		return proof{}, "", invalid("the signature is not that of the key")
	}
	var p proof
	if json.Unmarshal(payload, &p) != nil {
		return proof{}, "", invalid("the claims are not readable")
	}
	sum, err := key.Thumbprint(crypto.SHA256)
	if err != nil {
		return proof{}, "", invalid("jwk has no thumbprint")
	}
	return p, base64.RawURLEncoding.EncodeToString(sum), nil
}

func invalid(description string) *Refusal {
	return &Refusal{Code: ErrorInvalidProof, Description: description}
}

func hash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// sameTarget compares htu with a request's URL, whose query and fragment do not count. The claim itself must have neither.
func sameTarget(claim, target string) bool {
	want, err := url.Parse(target)
	if err != nil {
		return false
	}
	got, err := url.Parse(claim)
	if err != nil || got.RawQuery != "" || got.Fragment != "" || got.User != nil {
		return false
	}
	return strings.EqualFold(got.Scheme, want.Scheme) && strings.EqualFold(got.Host, want.Host) &&
		rooted(got.EscapedPath()) == rooted(want.EscapedPath())
}

func rooted(path string) string {
	if path == "" {
		return "/"
	}
	return path
}
