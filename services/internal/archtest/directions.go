package archtest

import (
	"slices"
	"strings"
)

// A direction says what some packages may be built on. Patterns are as in matches; ours are written below ModuleRoot.
type direction struct {
	rule   string
	reason string
	of     []string // the packages that are bound
	except []string // those of them that are not

	only    []string // if not nil, the only packages of ours they may import
	outside []string // if not nil, the only packages they may import that are neither ours nor the standard library's
	never   []string // what they may not be built on
	unless  []string // those of never that they may import all the same
	direct  bool     // never is about their own imports, not about those of what they import
	tests   bool     // their tests' own imports are bound as well
}

var (
	// services are the folders of the services, each with a database and contracts of its own.
	services = []string{"token", "connection", "delivery", "gateway", "calllog"}
	// wholes are the packages that put services together.
	wholes = []string{"services/app/...", "services/bench/...", "services/cmd/...", "services/e2e/...", "services/demo/..."}

	rpcPackages = []string{"google.golang.org/grpc/...", "github.com/grpc-ecosystem/..."}
	sqlDrivers  = []string{"modernc.org/sqlite/...", "github.com/jackc/pgx/...", "github.com/pressly/goose/..."}
	testTools   = []string{
		"testing/...", "net/http/httptest", "github.com/stretchr/testify/...", "github.com/google/go-cmp/...", "go.uber.org/goleak/...",
		"pgregory.net/rapid/...", "google.golang.org/grpc/test/grpc_testing", "services/...test",
	}
)

// directions is the table of DESIGN.md §10.
func directions() []direction {
	table := []direction{
		{
			rule: "gen-stands-alone", reason: "outsiders import the contracts and must get only what messages and stubs need",
			of: []string{"gen/..."}, only: []string{"gen/..."},
			outside: slices.Concat(rpcPackages, []string{"google.golang.org/protobuf/...", "google.golang.org/genproto/...", "buf.build/gen/go/bufbuild/protovalidate/..."}),
		},
		{
			rule: "gen-is-slim", reason: "a gRPC client must not compile the REST face",
			of: []string{"gen/freshet/..."}, never: []string{"gen/rest/...", "gen/openapi/...", "github.com/grpc-ecosystem/..."},
		},
		{
			rule: "sdk-is-slim", reason: "an application adds the SDK for one line of code; it brings gRPC and x/oauth2, nothing else",
			of: []string{"sdk/..."}, only: []string{"sdk/...", "gen/freshet/..."},
			outside: []string{"google.golang.org/grpc/...", "google.golang.org/protobuf/...", "golang.org/x/oauth2/..."},
		},
		{
			rule: "internal-is-leaf", reason: "plumbing that knows a service can serve only that one",
			of: []string{"services/internal/..."}, only: []string{"services/internal/...", "gen/..."},
		},
		{
			rule: "cmd-over-app", reason: "the composition root is one place; commands start it or talk to a running suite",
			of: []string{"services/cmd/..."}, never: servicesExcept(""), direct: true,
			unless: []string{
				"services/delivery/pattern",   // a language: pure, and `pattern match` judges with it where no suite runs
				"services/delivery/schedule",  // likewise, for `schedules next`
				"services/connection/catalog", // a format of files: pure, and `providers lint` judges with it where no suite runs
			},
		},
		{
			rule: "demo-is-outside", reason: "the demo's authorization server and API play other people's systems",
			of: []string{"services/demo/..."}, never: servicesExcept(""), direct: true,
		},
		{
			rule: "sql-in-store", reason: "SQL is in the store packages, so that both engines run the same text",
			of: []string{"services/..."}, except: []string{"services/*/store/...", "services/*/storetest/...", "services/internal/sqldb", "services/internal/sqltest"},
			never: []string{"database/sql"}, direct: true,
		},
		{
			rule: "drivers-in-sqldb", reason: "what differs between the engines is known in one package",
			of: []string{"services/..."}, except: []string{"services/internal/sqldb", "services/internal/sqltest"}, never: sqlDrivers, direct: true,
		},
		{
			rule: "rest-in-gateway", reason: "REST is one face of the gRPC API; nobody inside speaks it",
			of: []string{"services/..."}, except: []string{"services/gateway/..."},
			never: []string{"gen/rest/...", "gen/openapi/...", "github.com/grpc-ecosystem/grpc-gateway/..."}, direct: true,
		},
		{
			rule: "tests-stay-out", reason: "test tools linked into a product are weight and flags for its users",
			of: []string{"gen/...", "sdk/...", "services/..."}, except: []string{"services/...test"}, never: testTools, direct: true,
		},
	}
	for _, service := range services {
		table = append(table, serviceDirections(service)...)
	}
	return table
}

func serviceDirections(service string) []direction {
	folder := "services/" + service
	domain := direction{
		rule: "domain-is-pure", reason: "use cases stand without transport and storage, so that they can be read and tested alone",
		of: []string{folder}, only: []string{folder + "/...", "services/internal/seal"},
		never: slices.Concat(rpcPackages, sqlDrivers, []string{
			"gen/...", "sdk/...", "database/sql", folder + "/rpc/...", folder + "/store/...", folder + "/storetest/...",
		}),
	}
	if service == "gateway" { // an edge without a domain: it is the REST face of the others' RPCs
		domain.only, domain.never = nil, slices.Concat(sqlDrivers, []string{"database/sql"})
	}
	return []direction{
		domain,
		{
			rule: "services-meet-in-gen", reason: "services know each other's contracts only, so that each can run, scale and change alone",
			of: []string{folder + "/..."}, never: servicesExcept(service), tests: true,
		},
		{
			rule: "parts-know-no-whole", reason: "what is put together does not depend on what puts it together",
			of: []string{folder + "/..."}, never: wholes,
		},
		{
			rule: "rpc-and-store-apart", reason: "app introduces them: an API does not show how rows look, nor the reverse",
			of: []string{folder + "/rpc/..."}, never: []string{folder + "/store/...", folder + "/storetest/..."},
		},
		{
			rule: "rpc-and-store-apart", reason: "app introduces them: an API does not show how rows look, nor the reverse",
			of: []string{folder + "/store/...", folder + "/storetest/..."}, never: slices.Concat(rpcPackages, []string{"gen/...", folder + "/rpc/..."}),
		},
	}
}

// servicesExcept is the folders of all services but one.
func servicesExcept(name string) []string {
	var folders []string
	for _, s := range services {
		if s != name {
			folders = append(folders, "services/"+s+"/...")
		}
	}
	return folders
}

func checkDirections(w *workspace, table []direction) []Violation {
	var found []Violation
	for _, p := range w.ours {
		for _, d := range table {
			if matchesAny(d.of, p.path) && !matchesAny(d.except, p.path) {
				found = append(found, d.check(w, p)...)
			}
		}
	}
	return found
}

func (d *direction) check(w *workspace, p *pkg) []Violation {
	var found []Violation
	seen := make(map[string]bool) // imports whose own imports have been looked through
	for _, f := range p.files {
		if f.test && !d.tests {
			continue
		}
		for _, i := range f.imports {
			detail := d.breach(i.path)
			if detail == "" && !d.direct && !f.test && !seen[i.path] {
				seen[i.path] = true
				if chain := w.chain(i.path, d.never); len(chain) > 1 {
					detail = "is built on " + chain[len(chain)-1] + ": " + strings.Join(chain, " → ")
				}
			}
			if detail != "" {
				found = append(found, Violation{Rule: d.rule, File: f.path, Line: i.line, Detail: p.path + " " + detail, Reason: d.reason})
			}
		}
	}
	return found
}

// breach says what is wrong with importing a package, or nothing.
func (d *direction) breach(importPath string) string {
	switch {
	case matchesAny(d.never, importPath) && !matchesAny(d.unless, importPath),
		d.only != nil && isOurs(importPath) && !matchesAny(d.only, importPath),
		d.outside != nil && isOutside(importPath) && !matchesAny(d.outside, importPath):
		return "imports " + importPath
	default:
		return ""
	}
}

// chain is the shortest way by imports from a package to one that fits the patterns, both included; nil if there is none.
func (w *workspace) chain(from string, patterns []string) []string {
	if patterns == nil {
		return nil
	}
	previous := map[string]string{from: ""}
	for queue := []string{from}; len(queue) > 0; queue = queue[1:] {
		at := queue[0]
		if matchesAny(patterns, at) {
			var chain []string
			for p := at; p != ""; p = previous[p] {
				chain = append(chain, p)
			}
			slices.Reverse(chain)
			return chain
		}
		for _, next := range w.imports[at] {
			if _, ok := previous[next]; !ok {
				previous[next] = at
				queue = append(queue, next)
			}
		}
	}
	return nil
}

func isOurs(importPath string) bool {
	return matchesAny([]string{"gen/...", "sdk/...", "services/...", "examples/..."}, importPath)
}

// isOutside reports whether a package is neither ours nor the standard library's, whose paths begin without a dot.
func isOutside(importPath string) bool {
	first, _, _ := strings.Cut(importPath, "/")
	return strings.Contains(first, ".")
}
