package catalog

import (
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// linter gathers what is wrong with an entry whose shape is right.
type linter struct {
	entry    Entry
	problems LintErrors
}

func (l *linter) fail(field, format string, args ...any) {
	l.problems = append(l.problems, Problem{Field: field, Description: fmt.Sprintf(format, args...)})
}

// lint applies the rules that the tags cannot say.
func (e Entry) lint() LintErrors {
	l := &linter{entry: e}
	l.identity()
	l.instance()
	l.authorize()
	l.urls()
	l.headers()
	l.refreshing()
	if len(l.problems) == 0 {
		l.settings()
	}
	return l.problems
}

func (l *linter) identity() {
	e := l.entry
	if !regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,62}$`).MatchString(e.ID) {
		l.fail("id", "must be lower-case letters, digits and hyphens, at most 63, and begin with a letter or digit")
	}
	if len(e.Docs) == 0 {
		l.fail("docs", "must cite at least one page of the vendor")
	}
	for i, page := range e.Docs {
		if u, err := url.Parse(page); err != nil || u.Scheme != "https" || u.Host == "" {
			l.fail(fmt.Sprintf("docs[%d]", i), "must be an https URL")
		}
	}
	if len(e.Grants) == 0 {
		l.fail("grants", "must have at least one")
	}
}

func (l *linter) instance() {
	name := regexp.MustCompile(`^[a-z][a-z0-9_]{0,31}$`)
	seen := map[string]bool{}
	check := func(field, text string) {
		switch {
		case !name.MatchString(text):
			l.fail(field, "must be lower-case letters, digits and underscores, at most 32, and begin with a letter")
		case seen[text]:
			l.fail(field, "%q is the name of another value already", text)
		}
		seen[text] = true
	}
	for i, p := range l.entry.Instance {
		field := fmt.Sprintf("instance[%d]", i)
		check(field+".name", p.Name)
		if _, err := regexp.Compile(p.Pattern); err != nil {
			l.fail(field+".pattern", "is no regular expression: %v", err)
			continue
		}
		if err := p.check(p.Example); err != nil {
			l.fail(field+".example", "%v", err)
		}
		if p.Default != "" {
			if err := p.check(p.Default); err != nil {
				l.fail(field+".default", "%v", err)
			}
		}
	}
	for _, c := range l.entry.captures() {
		check(c.field+".name", c.Name)
		if c.From == "" {
			l.fail(c.field+".from", "is required")
		}
	}
}

// captured is a capture with its place.
type captured struct {
	Capture
	field string
	step  int // index of the step that has it; -1: earlier than all steps
}

func (e Entry) captures() []captured {
	var out []captured
	add := func(list []Capture, field string, step int) {
		for i, c := range list {
			out = append(out, captured{c, fmt.Sprintf("%s[%d]", field, i), step})
		}
	}
	add(e.Callback.Capture, "callback.capture", -1)
	add(e.Token.Capture, "token.capture", -1)
	for i, s := range e.Steps {
		add(s.Capture, fmt.Sprintf("steps[%d].capture", i), i)
	}
	return out
}

func (l *linter) authorize() {
	a := l.entry.Authorize
	if slices.Contains(l.entry.Grants, "AUTHORIZATION_CODE") && a.URL == "" {
		l.fail("authorize.url", "is required with the grant AUTHORIZATION_CODE")
	}
	if slices.Contains(l.entry.Grants, "DEVICE_CODE") && a.DeviceEndpoint == "" {
		l.fail("authorize.device_authorization_endpoint", "is required with the grant DEVICE_CODE")
	}
	for field, separator := range map[string]string{"authorize": a.ScopeSeparator, "token": l.entry.Token.ScopeSeparator} {
		if len([]rune(separator)) > 1 {
			l.fail(field+".scope_separator", "must be one character")
		}
	}
	known := []string{"client_id", "redirect_uri", "response_type", "scope", "state", "code_challenge", "code_challenge_method"}
	for _, name := range slices.Sorted(maps.Keys(a.FieldNames)) {
		if !slices.Contains(known, name) {
			l.fail("authorize.field_names."+name, "is no field of an authorization request; there are %s", strings.Join(known, ", "))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(a.Parameters)) {
		if slices.Contains(known, name) {
			l.fail("authorize.parameters."+name, "is sent anyway")
		}
	}
}

// refreshing applies the rules for what belongs together.
func (l *linter) refreshing() {
	e := l.entry
	none := e.Rotation.Mode == "NONE"
	if none && e.Rotation.Recovery != "" && e.Rotation.Recovery != "REUSABLE" {
		l.fail("rotation.recovery", "must be REUSABLE or left out with the mode NONE: there is no other refresh token")
	}
	if e.Rotation.Mode == "ALWAYS" && e.Rotation.Recovery == "" {
		l.fail("rotation.recovery", "is required with the mode ALWAYS; SINGLE_USE is the safe one where the vendor says nothing")
	}
	if e.Rotation.AnchoredAt != "" && e.Rotation.Absolute == 0 {
		l.fail("rotation.anchored_at", "must be left out without absolute")
	}
	if e.Lifetime.Source == "NEVER" && e.Lifetime.Default != 0 {
		l.fail("lifetime.default", "must be left out with the source NEVER")
	}
	if e.Lifetime.Source == "FIXED" && e.Lifetime.Default == 0 {
		l.fail("lifetime.default", "is required with the source FIXED")
	}
	if e.Lifetime.Default > 0 && e.Refresh.Before >= e.Lifetime.Default {
		l.fail("refresh.before", "must be shorter than lifetime.default")
	}
	if e.Lifetime.Default > 0 && e.Refresh.NotBefore >= e.Lifetime.Default {
		l.fail("refresh.not_before", "must be shorter than lifetime.default")
	}
	if e.MintBudget.Limit < 0 || e.MintBudget.Limit > 1_000_000 {
		l.fail("mint_budget.limit", "must be 1 to 1000000")
	}
	if e.MintBudget.Per != "" && e.MintBudget.Limit == 0 {
		l.fail("mint_budget.limit", "is required with per")
	}
	if e.Revoke.Endpoint == "" && (e.Revoke.Kind != "" || e.Revoke.Cascades) {
		l.fail("revoke.endpoint", "is required with kind and cascades")
	}
	if e.Refresh.KeepAlive != 0 && e.Refresh.KeepAlive < Duration(60e9) {
		l.fail("refresh.keep_alive", "must be at least 1m")
	}
}

func (l *linter) headers() {
	token := regexp.MustCompile("^[!#$%&'*+.^_`|~0-9A-Za-z-]+$") // the length is apart: a counted one is slow to compile
	check := func(field, name string) {
		if name != "" && (len(name) > 256 || !token.MatchString(name)) {
			l.fail(field, "%q is no header name: letters, digits and !#$%%&'*+-.^_`|~ are allowed (RFC 9110 section 5.6.2)", name)
		}
	}
	api := l.entry.API
	check("api.access_token_header", api.AccessTokenHeader)
	check("api.authorization_scheme", api.AuthorizationScheme)
	for _, name := range slices.Sorted(maps.Keys(api.Headers)) {
		check("api.headers."+name, name)
	}
	for field, name := range map[string]string{
		"limit": api.RateLimit.Limit, "remaining": api.RateLimit.Remaining, "reset": api.RateLimit.Reset, "retry_after": api.RateLimit.RetryAfter,
	} {
		check("api.rate_limit."+field, name)
	}
	if api.RateLimit.ResetKind != "" && api.RateLimit.Reset == "" {
		l.fail("api.rate_limit.reset", "is required with reset_kind")
	}
	if b := api.CallBudget; b.Limit < 0 || b.Limit > 1_000_000 || b.Burst < 0 || b.Burst > 100_000 {
		l.fail("api.call_budget", "limit must be 1 to 1000000, burst 1 to 100000")
	} else if b.Limit == 0 && b != (CallBudget{}) {
		l.fail("api.call_budget.limit", "is required with period and burst")
	}
	for i, status := range api.RateLimit.Statuses {
		if status < 400 || status > 599 {
			l.fail(fmt.Sprintf("api.rate_limit.statuses[%d]", i), "must be a status code from 400 to 599")
		}
	}
	for i, host := range api.Hosts {
		if err := checkHost(host); err != nil {
			l.fail(fmt.Sprintf("api.hosts[%d]", i), "%v", err)
		}
	}
}
