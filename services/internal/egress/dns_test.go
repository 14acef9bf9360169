package egress_test

import (
	"context"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/net/dns/dnsmessage"
)

// nameServer is a DNS server on loopback. Names it does not know do not exist.
type nameServer struct {
	conn net.PacketConn

	mu sync.Mutex
	// answers of a name: the first list answers the first query for its
	// addresses, and so on; the last one answers all further queries.
	answers map[string][][]netip.Addr
	queries map[string]int // A queries by name
}

// newNameServer serves until the test ends. It returns a resolver that asks it
// and nothing else.
func newNameServer(t *testing.T, answers map[string][][]netip.Addr) (*nameServer, *net.Resolver) {
	t.Helper()
	conn, err := new(net.ListenConfig).ListenPacket(t.Context(), "udp", "127.0.0.1:0")
	require.NoError(t, err)
	server := &nameServer{conn: conn, answers: answers, queries: map[string]int{}}
	done := make(chan struct{})
	go func() {
		defer close(done)
		server.serve()
	}()
	t.Cleanup(func() {
		require.NoError(t, conn.Close())
		<-done
	})
	return server, &net.Resolver{
		PreferGo: true,
		Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "udp", conn.LocalAddr().String())
		},
	}
}

func (s *nameServer) serve() {
	packet := make([]byte, 1500)
	for {
		n, from, err := s.conn.ReadFrom(packet)
		if err != nil {
			return // closed
		}
		var query dnsmessage.Message
		if query.Unpack(packet[:n]) != nil || len(query.Questions) != 1 {
			continue
		}
		reply := s.answer(query)
		if raw, err := reply.Pack(); err == nil {
			_, _ = s.conn.WriteTo(raw, from)
		}
	}
}

func (s *nameServer) answer(query dnsmessage.Message) dnsmessage.Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	question := query.Questions[0]
	name := strings.TrimSuffix(question.Name.String(), ".")
	reply := dnsmessage.Message{
		Header:    dnsmessage.Header{ID: query.ID, Response: true, Authoritative: true},
		Questions: query.Questions,
	}
	lists, known := s.answers[name]
	if !known {
		reply.RCode = dnsmessage.RCodeNameError
		return reply
	}
	list := lists[min(s.queries[name], len(lists)-1)]
	if question.Type == dnsmessage.TypeA {
		s.queries[name]++
	}
	for _, address := range list {
		header := dnsmessage.ResourceHeader{Name: question.Name, Class: dnsmessage.ClassINET}
		switch {
		case question.Type == dnsmessage.TypeA && address.Is4():
			reply.Answers = append(reply.Answers, dnsmessage.Resource{Header: header, Body: &dnsmessage.AResource{A: address.As4()}})
		case question.Type == dnsmessage.TypeAAAA && address.Is6():
			reply.Answers = append(reply.Answers, dnsmessage.Resource{Header: header, Body: &dnsmessage.AAAAResource{AAAA: address.As16()}})
		}
	}
	return reply
}

func (s *nameServer) queriesFor(name string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.queries[name]
}

func addresses(list ...string) []netip.Addr {
	var parsed []netip.Addr
	for _, text := range list {
		parsed = append(parsed, netip.MustParseAddr(text))
	}
	return parsed
}
