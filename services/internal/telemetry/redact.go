package telemetry

import (
	"context"
	"fmt"
	"log/slog"
	"regexp"
	"strings"
)

const redacted = "[redacted]"

// redactHandler keeps secrets out of every log, whatever a caller hands over. It
// is the last line of defence, not the first: secrets are carried as
// seal.Secret, which never prints itself, and messages are written without them.
type redactHandler struct {
	next  slog.Handler
	level slog.Level
}

// Enabled implements slog.Handler.
func (h *redactHandler) Enabled(ctx context.Context, level slog.Level) bool {
	return level >= h.level && h.next.Enabled(ctx, level)
}

// Handle implements slog.Handler.
func (h *redactHandler) Handle(ctx context.Context, record slog.Record) error {
	clean := slog.NewRecord(record.Time, record.Level, scrub(record.Message), record.PC)
	record.Attrs(func(a slog.Attr) bool {
		clean.AddAttrs(redact(a))
		return true
	})
	return h.next.Handle(ctx, clean)
}

// WithAttrs implements slog.Handler.
func (h *redactHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &redactHandler{next: h.next.WithAttrs(redactAll(attrs)), level: h.level}
}

// WithGroup implements slog.Handler.
func (h *redactHandler) WithGroup(name string) slog.Handler {
	return &redactHandler{next: h.next.WithGroup(name), level: h.level}
}

func redactAll(attrs []slog.Attr) []slog.Attr {
	clean := make([]slog.Attr, len(attrs))
	for i, a := range attrs {
		clean[i] = redact(a)
	}
	return clean
}

// redact returns a without what looks secret: all of it when the key says so,
// otherwise the parts of its text that look like a credential.
func redact(a slog.Attr) slog.Attr {
	if secretKey(a.Key) {
		return slog.String(a.Key, redacted)
	}
	value := a.Value.Resolve()
	switch value.Kind() {
	case slog.KindGroup:
		return slog.Attr{Key: a.Key, Value: slog.GroupValue(redactAll(value.Group())...)}
	case slog.KindString:
		return slog.String(a.Key, scrub(value.String()))
	case slog.KindAny:
		return slog.Attr{Key: a.Key, Value: scrubAny(value)}
	default:
		return slog.Attr{Key: a.Key, Value: value}
	}
}

// scrubAny keeps a value's type, which handlers may render in their own way,
// unless its text has something to hide.
func scrubAny(value slog.Value) slog.Value {
	var text string
	switch v := value.Any().(type) {
	case nil:
		return value
	case error:
		text = v.Error()
	case []byte:
		text = string(v)
	default:
		text = fmt.Sprintf("%+v", v)
	}
	if clean := scrub(text); clean != text {
		return slog.StringValue(clean)
	}
	return value
}

// secretKey reports whether an attribute of this name holds a secret. A plain
// "token" is not among them: that is how resources are named.
func secretKey(key string) bool {
	key = strings.NewReplacer("-", "", "_", "", ".", "", " ", "").Replace(strings.ToLower(key))
	for _, suffix := range []string{
		"authorization", "apikey", "secret", "password", "passphrase", "accesstoken", "refreshtoken", "idtoken", "bearertoken",
		"adminkey", "masterkey", "privatekey", "cookie", "codeverifier", "assertion",
	} {
		if strings.HasSuffix(key, suffix) {
			return true
		}
	}
	return false
}

// Shapes of credentials in running text.
var (
	// An Authorization value. Shorter words after "basic" or "bearer" are prose.
	headerShape = regexp.MustCompile(`(?i)\b(bearer|basic)\s+[A-Za-z0-9._~+/=-]{16,}`)
	// A JWT: its header is a JSON object, so it begins with base64url of `{"`.
	jwtShape = regexp.MustCompile(`\beyJ[A-Za-z0-9_-]{6,}\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*`)
	// A key of ours.
	keyShape = regexp.MustCompile(`\bfk_[A-Za-z0-9_-]{16,}`)
	// A member of a form, a query or JSON.
	memberShape = regexp.MustCompile(`(?i)\b(access_token|refresh_token|id_token|client_secret|client_assertion|assertion|code_verifier|password)("?\s*[=:]\s*"?)[^\s"&,;}]+`)
	// The password of a URL.
	urlShape = regexp.MustCompile(`(://[^\s/:@]*):[^\s/@]+@`)
)

// scrub returns text with everything that looks like a credential replaced.
func scrub(text string) string {
	text = headerShape.ReplaceAllString(text, "$1 "+redacted)
	text = jwtShape.ReplaceAllString(text, redacted)
	text = keyShape.ReplaceAllString(text, redacted)
	text = memberShape.ReplaceAllString(text, "${1}${2}"+redacted)
	return urlShape.ReplaceAllString(text, "$1:"+redacted+"@")
}
