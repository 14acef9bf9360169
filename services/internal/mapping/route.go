package mapping

import (
	"context"
	"errors"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// Route is how a provider does an operation: one request, and what its answer means.
type Route struct {
	Operation *Operation

	method, host   string
	follow         bool
	path           *template
	query, headers map[string]*template
	body           *expression
	form           map[string]*template
	pagination     *pagination
	output         *expression
	rules          []rule
}

// rule says what some answers stand for.
type rule struct {
	status        int // 0: any
	when, message *expression
	kind          Kind // empty: as the status says
}

// Request is a call of an API. It has no credential.
type Request struct {
	Method string
	Host   string            // another of the API's; empty: that of its base
	Follow bool              // redirects to other hosts are followed
	Path   string            // percent-encoded, without a leading slash
	Query  string            // encoded
	Header map[string]string // Content-Type too, with a body
	Body   []byte
}

// ownHeaders are those that a mapping cannot set: they are the proxy's, the transport's, or follow from the body.
func ownHeaders() []string {
	return []string{
		"authorization", "cookie", "host", "content-type", "content-length", "transfer-encoding", "connection", "upgrade", "te", "trailer",
		"x-api-key", "forwarded",
	}
}

// literalPath is what of a path may be written outside of expressions.
var literalPath = regexp.MustCompile(`^([A-Za-z0-9._~!$&'()*+,;=:@/-]|%[0-9A-Fa-f]{2})*$`)

func (c *compiler) route(path []string, of *Operation, text routeText, shared []rule) *Route {
	r := &Route{Operation: of, method: text.Method, host: text.Host, follow: text.Follow}
	if r.method == "" {
		r.method = "GET"
	}
	r.path = c.path(in(path, "path"), text.Path)
	r.query = c.templates(in(path, "query"), text.Query)
	r.headers = c.templates(in(path, "headers"), text.Headers)
	for name := range text.Headers {
		if lower := strings.ToLower(name); slices.Contains(ownHeaders(), lower) || strings.HasPrefix(lower, "freshet-") || strings.HasPrefix(lower, "x-forwarded-") {
			c.fail(in(path, "headers", name), "cannot be set here")
		}
	}
	r.body = c.expression(in(path, "body"), text.Body, requestVariables())
	r.form = c.templates(in(path, "form"), text.Form)
	switch {
	case text.Body != "" && len(text.Form) > 0:
		c.fail(in(path, "form"), "cannot be there with body")
	case r.method == "GET" && (text.Body != "" || len(text.Form) > 0):
		c.fail(in(path, "method"), "must be one with a body, POST for instance")
	}
	if r.follow && r.method != "GET" {
		c.fail(in(path, "follow_redirects"), "goes with GET only")
	}
	r.output = c.expression(in(path, "output"), text.Output, answerVariables())
	r.rules = append(c.rules(in(path, "errors"), text.Errors), shared...)
	if text.Pagination != nil {
		r.pagination = c.pagination(in(path, "pagination"), of, text)
	}
	if of.Raw && (r.method != "GET" || text.Output != "" || len(text.Errors) > 0) {
		c.fail(path, "a raw operation must be a GET, without output and errors: callers fetch the answer themselves")
	}
	return r
}

// path compiles the template of a path.
func (c *compiler) path(at []string, source string) *template {
	t := c.template(at, source)
	if !strings.HasPrefix(source, "/") {
		c.fail(at, "must begin with a slash")
		return t
	}
	for _, p := range t.parts {
		if p.expression == nil && !literalPath.MatchString(p.text) {
			c.fail(at, "has a character that must be percent-encoded, or a query, which belongs into query")
			return t
		}
	}
	return t
}

// Input reads the input of a call: JSON, or nothing for {}. The error is an *[InputError].
func (o *Operation) Input(text []byte) (any, error) {
	if len(strings.TrimSpace(string(text))) == 0 {
		text = []byte("{}")
	}
	value, err := decode(text)
	if err != nil {
		return nil, &InputError{[]Violation{{Description: err.Error()}}}
	}
	var wrong []Violation
	for _, m := range o.input.check(value) {
		wrong = append(wrong, Violation{fieldOf(m.path), m.description})
	}
	if len(wrong) > 0 {
		return nil, &InputError{wrong}
	}
	return value, nil
}

// Request returns the call that does the operation on an input, for the first page if cursor is empty, else for the one that [Output.Next]
// named. The error is a *[FailedError], or ctx's.
func (r *Route) Request(ctx context.Context, input any, cursor string) (Request, error) {
	p, err := r.pagination.begin(cursor)
	if err != nil {
		return Request{}, err
	}
	b := &builder{ctx: ctx, input: input, page: p.variable}
	out := Request{Method: r.method, Host: r.host, Follow: r.follow, Header: map[string]string{}}
	out.Path = b.path("path", p.pathOf(r))
	query := b.parameters("query", r.query)
	for name, value := range p.parameters {
		query.Set(name, value)
	}
	out.Query = query.Encode()
	for name, t := range r.headers {
		b.header(out.Header, name, t)
	}
	switch body := p.bodyOf(r); {
	case body != nil:
		out.Header["Content-Type"], out.Body = "application/json", b.json("body", body)
	case len(r.form) > 0:
		out.Header["Content-Type"], out.Body = "application/x-www-form-urlencoded", []byte(b.parameters("form", r.form).Encode())
	}
	if p.url != "" {
		out.Path, out.Query, _ = strings.Cut(p.url, "?")
	}
	return out, b.err
}

// builder makes the parts of a request; the first failure stays.
type builder struct {
	ctx   context.Context //nolint:containedctx // Of one call of Request.
	input any
	page  any
	err   error
}

func (b *builder) fail(field string, err error) {
	if b.err == nil && err != nil {
		b.err = failed(b.ctx, field, err)
	}
}

// failed is an error of an expression, unless the caller's time was over.
func failed(ctx context.Context, field string, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return &FailedError{Field: field, Description: err.Error()}
}

func (b *builder) path(field string, t *template) string {
	path, err := t.join(b.ctx, segment, b.input, b.page)
	b.fail(field, err)
	for part := range strings.SplitSeq(path, "/") {
		if part == "." || part == ".." {
			b.fail(field, errors.New("has . or .. for a segment"))
		}
	}
	return strings.TrimPrefix(path, "/")
}

func (b *builder) parameters(field string, of map[string]*template) url.Values {
	out := url.Values{}
	for name, t := range of {
		texts, err := t.texts(b.ctx, b.input, b.page)
		b.fail(field+"."+name, err)
		if len(texts) > 0 {
			out[name] = texts
		}
	}
	return out
}

func (b *builder) header(into map[string]string, name string, t *template) {
	value, err := t.value(b.ctx, b.input, b.page)
	b.fail("headers."+name, err)
	if value == nil {
		return
	}
	text, err := textOf(value)
	b.fail("headers."+name, err)
	if strings.ContainsFunc(text, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }) {
		b.fail("headers."+name, errors.New("gives a control character"))
	}
	into[name] = text
}

func (b *builder) json(field string, e *expression) []byte {
	value, err := e.run(b.ctx, b.input, b.page)
	b.fail(field, err)
	if err != nil {
		return nil
	}
	text, err := marshal(value)
	b.fail(field, err)
	return text
}
