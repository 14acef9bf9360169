package proxy

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"time"

	"google.golang.org/grpc/metadata"

	"github.com/freshet-io/freshet/services/gateway/proxy/target"
)

// Request is a call that another part of the gateway makes for a caller.
type Request struct {
	Method string
	// Name is the resource name of the connection or grant.
	Name string
	// Path is behind the API's base, percent-encoded and without a leading slash; Query is encoded.
	Path, Query string
	// Host is another of the API's hosts. Empty: that of its base.
	Host string
	// Follow has redirects to other hosts followed.
	Follow bool
	// Header goes through the same sieve as a caller's.
	Header http.Header
	Body   []byte
	// MaxAnswer bounds the body of the answer, in bytes.
	MaxAnswer int64
}

// Answer is what an API answered.
type Answer struct {
	Status int
	Header http.Header // without what the API's host says of itself
	Body   []byte
	// URL was called, without what the credential adds.
	URL *url.URL
}

// URI is the path and query at which the request can be made over HTTP.
func (r Request) URI() string {
	uri := target.Prefix + r.Name + "/" + r.Path
	if r.Query != "" {
		uri += "?" + r.Query
	}
	return uri
}

// Headers are those that the request has over HTTP.
func (r Request) Headers() http.Header {
	header := r.Header.Clone()
	if header == nil {
		header = http.Header{}
	}
	if r.Host != "" {
		header.Set(headerHost, r.Host)
	}
	if r.Follow {
		header.Set(headerRedirects, "follow")
	}
	return header
}

// Do makes a call as [Proxy.Serve] does, and returns the answer as a whole.
func (p *Proxy) Do(ctx context.Context, r Request, md metadata.MD) (*Answer, error) {
	u, err := url.ParseRequestURI(r.URI())
	if err != nil {
		return nil, refused("the path is not validly percent-encoded")
	}
	in := &http.Request{
		Method: r.Method, URL: u, Header: r.Headers(), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, ContentLength: int64(len(r.Body)),
		Body: io.NopCloser(bytes.NewReader(r.Body)),
	}
	w := &kept{header: http.Header{}, left: r.MaxAnswer}
	called, err := p.serve(w, in.WithContext(ctx), md)
	switch {
	case err != nil:
		return nil, err
	case w.left < 0:
		return nil, answerRefused("the API's answer has more than %d bytes", r.MaxAnswer)
	case w.broken:
		return nil, answerRefused("the API's answer broke off")
	}
	return &Answer{Status: w.status, Header: w.header, Body: w.body.Bytes(), URL: called}, nil
}

// kept is an answer in memory. Its deadlines are the caller's context.
type kept struct {
	header http.Header
	status int
	body   bytes.Buffer
	left   int64
	broken bool
}

// errFull ends an answer that is too large.
var errFull = errors.New("the answer is too large to be kept")

// Header implements http.ResponseWriter.
func (k *kept) Header() http.Header { return k.header }

// WriteHeader implements http.ResponseWriter.
func (k *kept) WriteHeader(status int) { k.status = status }

// Write implements io.Writer.
func (k *kept) Write(p []byte) (int, error) {
	if k.left -= int64(len(p)); k.left < 0 {
		return 0, errFull
	}
	return k.body.Write(p)
}

// Flush implements http.Flusher.
func (k *kept) Flush() {}

// SetWriteDeadline notices that an answer breaks off: its deadline lies in the past then.
func (k *kept) SetWriteDeadline(at time.Time) error {
	k.broken = k.broken || !at.IsZero() && at.Before(time.Now())
	return nil
}
