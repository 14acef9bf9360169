package archtest

import (
	"go/ast"
	"slices"
)

// A ban is on using some names, in code that is hand-written and not a test's.
type ban struct {
	rule   string
	reason string
	names  []string // "import/path.Name", or a builtin's name
	of     []string // the packages that are bound; nil is all
	except []string // those of them that are not
	main   bool     // programs' main packages are not bound
}

func bans() []ban {
	return []ban{
		{
			rule: "errors-not-panics", reason: "a caller can handle an error; a panic takes down every service of the process",
			names: []string{"panic", "log.Panic", "log.Panicf", "log.Panicln"}, main: true,
		},
		{
			rule: "exit-in-main", reason: "an exit elsewhere skips what others have to close",
			names: []string{"os.Exit", "syscall.Exit", "log.Fatal", "log.Fatalf", "log.Fatalln"}, main: true,
		},
		{
			rule: "environment-in-app", reason: "settings come in by one door, so that `freshet config` can show them all",
			names: []string{
				"os.Getenv", "os.LookupEnv", "os.Environ", "os.ExpandEnv", "os.Setenv", "os.Unsetenv", "syscall.Getenv",
				"syscall.Environ",
			},
			except: []string{
				"services/app/...", "services/cmd/...",
				"services/internal/sqltest",  // its users are tests, and FRESHET_TEST_POSTGRES is their only setting
				"examples/...",               // programs that other people write
				"services/internal/archtest", // runs the go command in its own environment
			},
		},
		{
			rule: "no-process-globals", reason: "two suites run in one test process; logger, tracer and client are handed to constructors",
			names: []string{
				"log.Print", "log.Printf", "log.Println", "log.Default", "log.SetOutput", "log/slog.Default", "log/slog.SetDefault",
				"log/slog.Debug", "log/slog.Info", "log/slog.Warn", "log/slog.Error", "log/slog.DebugContext", "log/slog.InfoContext",
				"log/slog.WarnContext", "log/slog.ErrorContext", "net/http.Handle", "net/http.HandleFunc", "net/http.DefaultServeMux",
				"go.opentelemetry.io/otel.Tracer", "go.opentelemetry.io/otel.Meter", "go.opentelemetry.io/otel.SetTracerProvider",
				"go.opentelemetry.io/otel.SetMeterProvider", "go.opentelemetry.io/otel.SetTextMapPropagator",
				"go.opentelemetry.io/otel.GetTracerProvider", "go.opentelemetry.io/otel.GetMeterProvider",
			},
		},
		{
			rule: "output-is-handed-in", reason: "what a command prints is tested like everything else",
			names: []string{"fmt.Print", "fmt.Printf", "fmt.Println", "os.Stdout"}, main: true,
		},
		{
			rule: "egress-only", reason: "calls to other people's hosts pass the guard of services/internal/egress",
			of: servicesExcept(""),
			names: []string{
				"net/http.Get", "net/http.Post", "net/http.PostForm", "net/http.Head", "net/http.DefaultClient", "net/http.DefaultTransport",
				"net/http.Client", "net/http.Transport", "net.Dial", "net.DialTimeout", "net.Dialer", "crypto/tls.Dial", "crypto/tls.Dialer",
			},
		},
	}
}

func (b *ban) binds(p *pkg) bool {
	return (b.of == nil || matchesAny(b.of, p.path)) && !matchesAny(b.except, p.path) && (!b.main || p.name != "main")
}

func checkBans(p *pkg, table []ban) []Violation {
	var found []Violation
	table = slices.DeleteFunc(table, func(b ban) bool { return !b.binds(p) })
	for _, f := range p.files {
		if f.test || f.generated {
			continue
		}
		ast.Inspect(f.syntax, func(n ast.Node) bool {
			if star, ok := n.(*ast.StarExpr); ok && f.qualified(star.X) != "" {
				return false // a *http.Client is somebody's own, handed in
			}
			name := f.usedName(n)
			for _, b := range table {
				if name != "" && slices.Contains(b.names, name) {
					found = append(found, f.violation(b.rule, b.reason, n.Pos(), "%s", name))
				}
			}
			return true
		})
	}
	return found
}

// usedName is "import/path.Name" for a name of another package, the plain name for a call of a function without one.
func (f *file) usedName(n ast.Node) string {
	switch n := n.(type) {
	case *ast.SelectorExpr:
		return f.qualified(n)
	case *ast.CallExpr:
		if id, ok := n.Fun.(*ast.Ident); ok {
			return id.Name
		}
	}
	return ""
}
