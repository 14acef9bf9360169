package webhook_test

import (
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"hash"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/freshet-io/freshet/services/delivery/webhook"
	"github.com/freshet-io/freshet/services/internal/seal"
)

const (
	standardSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	otherStandard  = "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
)

func sum(h func() hash.Hash, secret, content string) []byte {
	mac := hmac.New(h, []byte(secret))
	_, _ = mac.Write([]byte(content))
	return mac.Sum(nil)
}

func request(body string, headers ...string) webhook.Request {
	r := webhook.Request{Header: http.Header{}, Body: []byte(body)}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	return r
}

// vectors are requests that senders' own documentation gives, and some that are made here in the same way.
func vectors() map[string]struct {
	signature webhook.Signature
	request   webhook.Request
	at        int64 // 0: the request has no time
} {
	const slack = "token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=foobar&" +
		"user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2F" +
		"T1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c"
	type vector = struct {
		signature webhook.Signature
		request   webhook.Request
		at        int64
	}
	return map[string]vector{
		"standard": {
			webhook.Signature{Scheme: webhook.Standard, Secret: seal.NewSecret(standardSecret)},
			request(`{"test": 2432232314}`, "Webhook-Id", "msg_p5jXN8AQM9LWM0D4loKWxJek", "Webhook-Timestamp", "1614265330",
				"Webhook-Signature", "v1a,AAAA v1,AAAA v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="), 1614265330,
		},
		"github": {
			webhook.Signature{Scheme: webhook.GitHub, Secret: seal.NewSecret("It's a Secret to Everybody")},
			request("Hello, World!", "X-Hub-Signature-256", "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"), 0,
		},
		"stripe": {
			webhook.Signature{Scheme: webhook.Stripe, Secret: seal.NewSecret("whsec_test_secret")},
			request(`{"id":"evt"}`, "Stripe-Signature", fmt.Sprintf("t=1614265330,v0=00,v1=ab, v1=%x",
				sum(sha256.New, "whsec_test_secret", `1614265330.{"id":"evt"}`))), 1614265330,
		},
		"slack": {
			webhook.Signature{
				Scheme: webhook.HMAC, Secret: seal.NewSecret("8f742231b10e8888abcd99yyyzzz85a5"), Header: "X-Slack-Signature", Prefix: "v0=",
				TimestampHeader: "X-Slack-Request-Timestamp", Content: "v0:{timestamp}:{body}",
			},
			request(slack, "X-Slack-Request-Timestamp", "1531420618",
				"X-Slack-Signature", "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503"), 1531420618,
		},
		"sha-1 in base64": {
			webhook.Signature{Scheme: webhook.HMAC, Secret: seal.NewSecret("12345678"), Header: "x-sig", Algorithm: webhook.SHA1, Encoding: webhook.Base64},
			request("{body} {timestamp}", "X-Sig", base64.StdEncoding.EncodeToString(sum(sha1.New, "12345678", "{body} {timestamp}"))), 0,
		},
		"sha-512": {
			webhook.Signature{Scheme: webhook.HMAC, Secret: seal.NewSecret("12345678"), Header: "x-sig", Algorithm: webhook.SHA512, TimestampHeader: "x-at"},
			request("b", "X-Sig", hex.EncodeToString(sum(sha512.New, "12345678", "1614265330.b")), "X-At", "1614265330"), 1614265330,
		},
		"shared secret": {
			webhook.Signature{Scheme: webhook.SharedSecret, Secret: seal.NewSecret("12345678"), Header: "authorization", Prefix: "Bearer "},
			request("b", "Authorization", "Bearer 12345678"), 0,
		},
	}
}

func TestVerify(t *testing.T) {
	for name, v := range vectors() {
		t.Run(name, func(t *testing.T) {
			now := time.Unix(v.at, 0)
			require.Empty(t, v.signature.Check())
			identity, err := v.signature.Verify(v.request, now)
			require.NoError(t, err)
			require.Equal(t, v.at != 0, identity != "")
			require.Equal(t, v.at != 0, v.signature.Remember() > 0)

			refused := func(s webhook.Signature, r webhook.Request, at time.Time) {
				t.Helper()
				_, err := s.Verify(r, at)
				require.Equal(t, webhook.ErrRefused, err, "one error, that tells nothing")
			}
			for _, off := range []time.Duration{301 * time.Second, -301 * time.Second} {
				_, err := v.signature.Verify(v.request, now.Add(off))
				require.Equal(t, v.at != 0, err != nil)
				wider := v.signature
				wider.Tolerance = time.Hour
				_, err = wider.Verify(v.request, now.Add(off))
				require.NoError(t, err)
			}
			changed := v.request
			changed.Body = append([]byte("x"), v.request.Body...)
			if v.signature.Scheme != webhook.SharedSecret {
				refused(v.signature, changed, now)
			}
			for header := range v.request.Header {
				without := webhook.Request{Header: v.request.Header.Clone(), Body: v.request.Body}
				without.Header.Del(header)
				refused(v.signature, without, now)
				without.Header.Set(header, "17")
				refused(v.signature, without, now)
			}
			// Either of two secrets will do, and a wrong or empty one never.
			wrong := seal.NewSecret("another secret")
			if v.signature.Scheme == webhook.Standard {
				wrong = seal.NewSecret(otherStandard)
			}
			rotated := v.signature
			rotated.Secret, rotated.Previous = wrong, v.signature.Secret
			_, err = rotated.Verify(v.request, now)
			require.NoError(t, err)
			rotated.Previous = seal.Secret{}
			refused(rotated, v.request, now)
			rotated.Secret = seal.Secret{}
			refused(rotated, v.request, now)
		})
	}
}

// TestEmptySecretSignsNothing: what is signed with no secret at all is refused, although its HMAC can be computed.
func TestEmptySecretSignsNothing(t *testing.T) {
	s := webhook.Signature{Scheme: webhook.GitHub, Secret: seal.NewSecret("12345678")}
	_, err := s.Verify(request("b", "X-Hub-Signature-256", "sha256="+hex.EncodeToString(sum(sha256.New, "", "b"))), time.Now())
	require.ErrorIs(t, err, webhook.ErrRefused)
	shared := webhook.Signature{Scheme: webhook.SharedSecret, Secret: seal.NewSecret("12345678"), Header: "x"}
	for _, r := range []webhook.Request{request("b", "X", ""), request("b"), request("b", "X", "12345678", "X", "12345678")} {
		_, err := shared.Verify(r, time.Now())
		require.ErrorIs(t, err, webhook.ErrRefused)
	}
}

func TestCheck(t *testing.T) {
	ok := seal.NewSecret("12345678")
	for says, s := range map[string]webhook.Signature{
		"secret: is required":                               {Scheme: webhook.GitHub},
		"secret: must have at least 8":                      {Scheme: webhook.Stripe, Secret: seal.NewSecret("short")},
		"secret: must be whsec_":                            {Scheme: webhook.Standard, Secret: ok},
		"previous_secret: must be whsec_":                   {Scheme: webhook.Standard, Secret: seal.NewSecret(standardSecret), Previous: seal.NewSecret("whsec_!")},
		"header: is required":                               {Scheme: webhook.SharedSecret, Secret: ok},
		"header: header and prefix go only":                 {Scheme: webhook.GitHub, Secret: ok, Header: "x"},
		"scheme: algorithm, encoding":                       {Scheme: webhook.Stripe, Secret: ok, Encoding: webhook.Base64},
		"signed_content: must have {body} once":             {Scheme: webhook.HMAC, Secret: ok, Header: "x", Content: "x"},
		"timestamp_header: is required where":               {Scheme: webhook.HMAC, Secret: ok, Header: "x", Content: "{timestamp}{body}"},
		"signed_content: must have {timestamp} once: a tim": {Scheme: webhook.HMAC, Secret: ok, Header: "x", Content: "{body}", TimestampHeader: "t"},
	} {
		faults := s.Check()
		require.Len(t, faults, 1, says)
		require.True(t, strings.HasPrefix(faults[0].Field+": "+faults[0].Reason, says), "%v", faults)
	}
}

func TestDetail(t *testing.T) {
	for body, want := range map[string]string{
		` {"a": 1.0} `: `{"a": 1.0}`,
		`[1, 2]`:       `{"body":[1, 2]}`,
		`"x"`:          `{"body":"x"}`,
		`a=1&b=<2>`:    `{"body":"a=1&b=<2>"}`,
		``:             `{"body":""}`,
		"\xff\x00":     `{"bodyBase64":"/wA="}`,
	} {
		require.Equal(t, want, string(request(body).Detail(nil)))
	}
	r := request(`{"a":1}`, "X-Event", "push", "X-Two", "1", "X-Two", "2", "Authorization", "Bearer s", "X-Sig", "s")
	require.Equal(t, `{"headers":{"x-event":"push","x-two":"1, 2"},"body":{"a":1}}`, string(r.Detail([]string{"x-EVENT", "X-Two", "X-None"})))
	s := webhook.Signature{Header: "x-sig"}
	require.Equal(t, `{"headers":{"x-event":"push","x-two":"1, 2"},"body":{"a":1}}`, string(r.Document(&s)))
	require.Equal(t, `{"headers":{},"body":"b"}`, string(request("b").Document(&s)))
}

// FuzzVerify makes sure that no header is too strange, and that nothing is accepted that its secret did not sign.
func FuzzVerify(f *testing.F) {
	for _, v := range vectors() {
		for name := range v.request.Header {
			f.Add(int(v.signature.Scheme), name, v.request.Header.Get(name), v.request.Body)
		}
	}
	now := time.Unix(1614265330, 0)
	f.Fuzz(func(t *testing.T, scheme int, header, value string, body []byte) {
		for _, v := range vectors() {
			if int(v.signature.Scheme) != scheme {
				continue
			}
			r := webhook.Request{Header: v.request.Header.Clone(), Body: body}
			r.Header.Set(header, value)
			_, err := v.signature.Verify(r, now)
			if err == nil {
				require.True(t, string(body) == string(v.request.Body) || scheme == int(webhook.SharedSecret), "%q: %q", header, value)
				continue
			}
			require.Equal(t, webhook.ErrRefused, err)
		}
		r := webhook.Request{Header: http.Header{}, Body: body}
		r.Header.Set(header, value)
		s := webhook.Signature{Header: "x-sig"}
		require.True(t, strings.HasPrefix(string(r.Document(&s)), `{"headers":{`))
	})
}
