package manifest_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/encoding/protojson"

	connectionv1 "github.com/freshet-io/freshet/gen/freshet/connection/v1"
	"github.com/freshet-io/freshet/services/cmd/freshet/manifest"
	"github.com/freshet-io/freshet/services/connection/connectiontest"
	connectionrpc "github.com/freshet-io/freshet/services/connection/rpc"
	"github.com/freshet-io/freshet/services/internal/page"
	"github.com/freshet-io/freshet/services/internal/sqldb"
	"github.com/freshet-io/freshet/services/internal/sqltest"
)

// TestDocumentedConnections applies the manifests of docs/connections.md, one after the other, and reads its requests.
func TestDocumentedConnections(t *testing.T) {
	text, err := os.ReadFile("../../../../docs/connections.md")
	require.NoError(t, err)
	suite := connectiontest.NewSuite(t, sqltest.Open(t, sqldb.SQLite, connectiontest.Migrations()))
	clients := manifest.Clients{Connection: connectionv1.NewConnectionServiceClient(
		connectiontest.Serve(t, func(r grpc.ServiceRegistrar) {
			connectionrpc.Register(r, suite.Service, connectionrpc.Options{Pages: page.NewCodec(make([]byte, 32)), Catalog: suite.Catalog})
		}).AsAdmin(t))}

	_, signing, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	chain, key := connectiontest.NewCertificate(t, time.Now().Add(time.Hour), "")
	pem := connectiontest.PrivateKey(t, signing, "")
	files := map[string]string{
		"erp-password.txt": "p\n", "mail-refresh-token.txt": "r\n", "service-account.pem": pem, "client-key.pem": pem,
		"client.pem": chain, "client-tls-key.pem": key,
	}
	opts := manifest.ParseOptions{
		LookupEnv: func(name string) (string, bool) { return strings.Repeat(name, 20)[:64], true }, // long enough for a verifier
		ReadFile: func(path string) ([]byte, error) {
			content, ok := files[filepath.Base(path)]
			if !ok {
				return nil, os.ErrNotExist
			}
			return []byte(content), nil
		},
	}
	blocks := regexp.MustCompile("(?s)\n```yaml\n(.*?)```\n").FindAllStringSubmatch(string(text), -1)
	require.Len(t, blocks, 15)
	for _, block := range blocks {
		objects, err := manifest.Parse(strings.NewReader(block[1]), opts)
		require.NoError(t, err, block[1])
		for _, object := range objects {
			require.Empty(t, object.Warnings)
		}
		_, err = manifest.Apply(t.Context(), clients, objects, manifest.Options{})
		require.NoError(t, err, block[1])
	}

	requests := regexp.MustCompile(`(?s) -d '(\{.*?\})'\n`).FindAllStringSubmatch(string(text), -1)
	require.Len(t, requests, 11)
	for _, request := range requests {
		require.NoError(t, protojson.Unmarshal([]byte(request[1]), &connectionv1.Connection{}), request[1])
	}
}
