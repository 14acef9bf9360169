package egress

import (
	"errors"
	"fmt"
	"net/url"
)

// Rules of a [DeniedError].
const (
	RuleURL      = "url"      // not an absolute URL
	RuleScheme   = "scheme"   // neither https nor, where allowed, http
	RuleUserinfo = "userinfo" // user or password in the URL
	RuleFragment = "fragment" // a # in the URL
	RuleHost     = "host"     // missing, or neither a name nor a plainly written address
	RulePort     = "port"     // not within 1–65535
	RuleAddress  = "address"  // not public, and not in Policy.AllowNetworks
	RuleNetwork  = "network"  // a transport other than TCP
)

// DeniedError says that a call was refused by a rule before any byte was sent.
// Retrying does not help until the URL, the name's addresses or the policy
// change.
type DeniedError struct {
	// Rule is one of the Rule constants: stable, for reasons and metrics.
	Rule string
	// Detail says what was refused. It may name the host and the address, and
	// never holds a path, query or userinfo.
	Detail string
}

// Error tells what was refused, what is allowed and, where an operator can
// widen the rule, which setting does.
func (e *DeniedError) Error() string {
	text := "egress denied (" + e.Rule + "): " + e.Detail
	switch e.Rule {
	case RuleScheme:
		return text + "; allowed: https, and http if an operator sets egress.allow_http (FRESHET_EGRESS_ALLOW_HTTP)"
	case RuleAddress:
		return text + "; allowed: public addresses, and the networks that an operator lists in egress.allow (FRESHET_EGRESS_ALLOW)"
	default:
		return text
	}
}

func denied(rule, format string, args ...any) error {
	return &DeniedError{Rule: rule, Detail: fmt.Sprintf(format, args...)}
}

// IsDenied reports whether err is or wraps a [DeniedError].
func IsDenied(err error) bool {
	var d *DeniedError
	return errors.As(err, &d)
}

// WithoutURL returns err without the URL that [http.Client] puts into its
// errors: "Post https://host: cause" instead of the whole path and query. The
// cause stays reachable by errors.Is and errors.As; the original [url.Error]
// does not. Other errors are returned as they are.
func WithoutURL(err error) error {
	var wrapped *url.Error
	if !errors.As(err, &wrapped) {
		return err
	}
	where := "request"
	if u, parseErr := url.Parse(wrapped.URL); parseErr == nil && u.Host != "" {
		where = u.Scheme + "://" + u.Host
	}
	return fmt.Errorf("%s %s: %w", wrapped.Op, where, wrapped.Err)
}
