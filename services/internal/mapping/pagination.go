package mapping

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// Ways to ask for the next page.
const (
	byCursor = "CURSOR"
	byOffset = "OFFSET"
	byPage   = "PAGE"
	byLink   = "LINK"
	byURL    = "NEXT_URL"
)

// pagination is how pages follow each other. Nil: there is one.
type pagination struct {
	kind                     string
	next, more, body         *expression
	path                     *template
	parameter, sizeParameter string
	size, first              int
}

func (c *compiler) pagination(at []string, of *Operation, route routeText) *pagination {
	text := route.Pagination
	p := &pagination{
		kind: text.Kind, parameter: text.Parameter, sizeParameter: text.SizeParameter, size: text.Size, first: 1,
		next: c.expression(in(at, "next"), text.Next, answerVariables()), more: c.expression(in(at, "more"), text.More, answerVariables()),
		body: c.expression(in(at, "body"), text.Body, requestVariables()),
	}
	if text.Path != "" {
		p.path = c.path(in(at, "path"), text.Path)
	}
	if text.First != nil {
		p.first = *text.First
	}
	if !of.Paged {
		c.fail(at, "is only for operations with paged: true")
	}
	numbered := p.kind == byOffset || p.kind == byPage
	for _, field := range []struct {
		name                  string
		given, fits, required bool
	}{
		{name: "next", given: text.Next != "", fits: p.kind == byCursor || p.kind == byURL, required: true},
		{name: "parameter", given: text.Parameter != "", fits: p.kind == byCursor || numbered},
		{name: "path", given: text.Path != "", fits: p.kind == byCursor},
		{name: "body", given: text.Body != "", fits: p.kind == byCursor},
		{name: "size", given: text.Size != 0, fits: numbered},
		{name: "size_parameter", given: text.SizeParameter != "", fits: numbered},
		{name: "first", given: text.First != nil, fits: p.kind == byPage},
		{name: "more", given: text.More != "", fits: numbered},
	} {
		switch {
		case field.given && !field.fits:
			c.fail(in(at, field.name), "is not for %s", p.kind)
		case !field.given && field.fits && field.required:
			c.fail(in(at, field.name), "is required for %s", p.kind)
		}
	}
	if p.sizeParameter != "" && p.size == 0 {
		c.fail(in(at, "size_parameter"), "needs size")
	}
	if (p.kind == byCursor || numbered) && p.parameter == "" && p.path == nil && p.body == nil && !mentionsPage(route) {
		c.fail(in(at, "parameter"), "is required, unless an expression of the request, path or body uses $page")
	}
	return p
}

func mentionsPage(route routeText) bool {
	texts := []string{route.Path, route.Body}
	for _, of := range []map[string]string{route.Query, route.Headers, route.Form} {
		for _, text := range of {
			texts = append(texts, text)
		}
	}
	return strings.Contains(strings.Join(texts, "\n"), "$page")
}

// beginning is what a request needs to know of the page that it is for.
type beginning struct {
	variable   map[string]any    // $page
	parameters map[string]string // of the query
	url        string            // path and query, in place of the route's
	further    *pagination       // not the first page
}

// begin reads a cursor.
func (p *pagination) begin(cursor string) (beginning, error) {
	b := beginning{parameters: map[string]string{}, variable: map[string]any{"cursor": nil, "offset": 0, "number": 1, "size": nil}}
	if p == nil {
		if cursor != "" {
			return b, &FailedError{Field: "pagination", Description: "is not there: there is one page"}
		}
		return b, nil
	}
	if cursor != "" {
		b.further = p
	}
	if p.size > 0 {
		b.variable["size"] = p.size
		if p.sizeParameter != "" {
			b.parameters[p.sizeParameter] = strconv.Itoa(p.size)
		}
	}
	switch p.kind {
	case byCursor:
		if cursor != "" {
			b.variable["cursor"] = cursor
		}
		if cursor != "" && p.parameter != "" {
			b.parameters[p.parameter] = cursor
		}
	case byOffset, byPage:
		at, err := p.number(cursor)
		if err != nil {
			return b, err
		}
		b.variable[map[string]string{byOffset: "offset", byPage: "number"}[p.kind]] = at
		if p.parameter != "" {
			b.parameters[p.parameter] = strconv.Itoa(at)
		}
	case byLink, byURL:
		b.url = cursor
	}
	return b, nil
}

// number is where a page begins, of OFFSET and PAGE.
func (p *pagination) number(cursor string) (int, error) {
	switch {
	case cursor != "":
		at, err := strconv.Atoi(cursor)
		if err != nil || at < 0 {
			return 0, &FailedError{Field: "pagination", Description: "has a cursor that is no number"}
		}
		return at, nil
	case p.kind == byPage:
		return p.first, nil
	default:
		return 0, nil
	}
}

func (b beginning) pathOf(r *Route) *template {
	if b.further != nil && b.further.path != nil {
		return b.further.path
	}
	return r.path
}

func (b beginning) bodyOf(r *Route) *expression {
	if b.further != nil && b.further.body != nil {
		return b.further.body
	}
	return r.body
}

// after returns the cursor of the page after one with so many items; empty at the end.
func (p *pagination) after(ctx context.Context, x Exchange, answer answered, items int) (string, error) {
	var next string
	var err error
	switch p.kind {
	case byOffset, byPage:
		next, err = p.counted(ctx, x.Cursor, answer, items)
	case byCursor:
		next, err = p.named(ctx, answer)
	case byURL:
		if next, err = p.named(ctx, answer); err == nil && next != "" {
			next, err = x.within(next)
		}
	case byLink:
		if next = nextLink(x.Header["link"]); next != "" {
			next, err = x.within(next)
		}
	}
	if err == nil && next != "" && next == x.Cursor {
		err = errors.New("names the same page again")
	}
	if err != nil {
		return "", failed(ctx, "pagination", err)
	}
	return next, nil
}

// named is what the answer says of the next page.
func (p *pagination) named(ctx context.Context, answer answered) (string, error) {
	value, err := answer.eval(ctx, p.next)
	if err != nil || !truthy(value) {
		return "", err
	}
	return textOf(value)
}

func (p *pagination) counted(ctx context.Context, cursor string, answer answered, items int) (string, error) {
	at, err := p.number(cursor)
	if err != nil {
		return "", err
	}
	more := items > 0 && items >= p.size
	if p.more != nil {
		value, err := answer.eval(ctx, p.more)
		if err != nil {
			return "", err
		}
		more = truthy(value)
	}
	step := 1
	if p.kind == byOffset {
		if step = items; p.size > 0 { // an output may leave items out
			step = p.size
		}
	}
	if !more || step == 0 {
		return "", nil
	}
	return strconv.Itoa(at + step), nil
}

// within makes a URL that an answer gives, absolute or not, the path and query behind the base of the API.
func (x Exchange) within(reference string) (string, error) {
	base, err := url.Parse(x.Base)
	if err != nil || base.Host == "" {
		return "", errors.New("cannot be followed: the base of the API is not known")
	}
	root := strings.TrimRight(base.EscapedPath(), "/") + "/"
	called := *base
	called.RawPath = root + x.Request.Path
	if called.Path, err = url.PathUnescape(called.RawPath); err != nil {
		return "", err
	}
	to, err := called.Parse(reference)
	if err != nil {
		return "", fmt.Errorf("is no URL")
	}
	path, inside := strings.CutPrefix(to.EscapedPath(), root)
	if !inside || to.Scheme != base.Scheme || !strings.EqualFold(to.Host, base.Host) || to.User != nil {
		return "", errors.New("leads out of the connection's API")
	}
	return path + "?" + to.RawQuery, nil
}

// nextLink returns the target of the link with rel=next in a header Link (RFC 8288 section 3); empty if there is none.
func nextLink(header string) string {
	for rest := header; ; {
		_, after, found := strings.Cut(rest, "<")
		target, parameters, closed := strings.Cut(after, ">")
		if !found || !closed {
			return ""
		}
		// Parameters end where the next link begins; a "<" within a quoted value is nothing that APIs send.
		own, _, _ := strings.Cut(parameters, "<")
		for parameter := range strings.SplitSeq(own, ";") {
			name, value, _ := strings.Cut(strings.Trim(strings.TrimSpace(parameter), ","), "=")
			relations := strings.Fields(strings.ToLower(strings.Trim(strings.TrimSpace(value), `", `)))
			if strings.EqualFold(strings.TrimSpace(name), "rel") && slices.Contains(relations, "next") {
				return target
			}
		}
		rest = parameters
	}
}
