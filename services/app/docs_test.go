package app_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"sigs.k8s.io/yaml"

	errorsv1 "github.com/freshet-io/freshet/gen/freshet/errors/v1"
	"github.com/freshet-io/freshet/services/app"
)

// read returns a file of the repository.
func read(t *testing.T, path ...string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(append([]string{"..", ".."}, path...)...))
	require.NoError(t, err)
	return string(text)
}

// rows are the rows of a document's tables by their first cell, the quotes of code taken off it; of several the first.
func rows(text string) map[string]string {
	out := map[string]string{}
	for line := range strings.Lines(text) {
		rest, isRow := strings.CutPrefix(line, "| ")
		if !isRow {
			continue
		}
		first, _, _ := strings.Cut(rest, " |")
		name := strings.Trim(first, "`")
		if _, given := out[name]; name != first && !given {
			out[name] = line
		}
	}
	return out
}

// documented are the settings that there are by key, with the text of their default.
func documented(t *testing.T) map[string]string {
	t.Helper()
	config, err := app.DefaultConfig()
	require.NoError(t, err)
	text, err := config.YAML()
	require.NoError(t, err)
	var tree map[string]any
	require.NoError(t, yaml.Unmarshal(text, &tree))
	out := map[string]string{}
	var walk func(prefix string, tree map[string]any)
	walk = func(prefix string, tree map[string]any) {
		for name, value := range tree {
			switch v := value.(type) {
			case map[string]any:
				if len(v) == 0 { // a setting without entries, not a section
					out[prefix+name] = ""
				}
				walk(prefix+name+".", v)
			case []any:
				parts := make([]string, len(v))
				for i, part := range v {
					parts[i] = fmt.Sprint(part)
				}
				out[prefix+name] = strings.Join(parts, ",")
			default:
				out[prefix+name] = fmt.Sprint(v)
			}
		}
	}
	walk("", tree)
	return out
}

// The first commands that a reader of the README sees need nothing but Go: the demonstration and the tests.
func TestReadmeBeginsWithTheProof(t *testing.T) {
	blocks := regexp.MustCompile("(?s)```sh\n(.*?)```").FindAllStringSubmatch(read(t, "README.md"), 2)
	require.Len(t, blocks, 2)
	require.Equal(t, "go run ./services/cmd/freshet demo --duration 60s\n", blocks[0][1])
	require.Equal(t, "deploy/test\n", blocks[1][1])
}

// Every setting has a row `| key | flag | environment | default | … |` in docs/operating.md.
func TestEverySettingIsDocumented(t *testing.T) {
	var config app.Config
	parser, err := kong.New(&config)
	require.NoError(t, err)
	flags := map[string]bool{}
	for _, flag := range parser.Model.Flags {
		flags[flag.Name] = flag.Name != "help"
	}
	table := rows(read(t, "docs", "operating.md"))
	settings := documented(t)
	for key, fallback := range settings {
		flag := strings.NewReplacer(".", "-", "_", "-").Replace(key)
		require.True(t, flags[flag], "%s: there is no flag --%s", key, flag)
		delete(flags, flag)
		if fallback != "" {
			fallback = "`" + fallback + "` "
		}
		start := fmt.Sprintf("| `%s` | `--%s` | `%s` | %s| ", key, flag, app.EnvName(flag), fallback)
		require.Truef(t, strings.HasPrefix(table[key], start), "docs/operating.md: want a row that begins with %q, it has %q", start, table[key])
	}
	delete(flags, "help")
	require.Empty(t, flags, "flags without a setting")
}

// What the documents name in the environment exists.
func TestDocumentedVariablesExist(t *testing.T) {
	known := map[string]bool{}
	for key := range documented(t) {
		known[app.EnvName(strings.ReplaceAll(key, ".", "-"))] = true
	}
	// The file of settings, and what the commands that talk to a server read besides.
	for _, flag := range []string{"config", "server", "tls", "project", "output", "timeout"} {
		known[app.EnvName(flag)] = true
	}
	pages, err := filepath.Glob(filepath.Join("..", "..", "docs", "*.md"))
	require.NoError(t, err)
	for _, page := range append(pages, filepath.Join("..", "..", "README.md"), filepath.Join("..", "..", "deploy", "compose.yaml"), filepath.Join("..", "..", "deploy", "Dockerfile")) {
		text, err := os.ReadFile(page)
		require.NoError(t, err)
		for _, name := range regexp.MustCompile(`FRESHET_[A-Z_]*[A-Z]`).FindAllString(string(text), -1) {
			require.True(t, known[name], "%s: there is no %s", page, name)
		}
	}
}

// reasonCodes reads from the contract which codes each reason goes with: its comment says `Code X`.
func reasonCodes(t *testing.T) map[string][]string {
	t.Helper()
	value := regexp.MustCompile(`^\s*([A-Z_]+) = \d+;`)
	code := regexp.MustCompile(`Code\s+([A-Z_]+)`)
	out := map[string][]string{}
	var comment strings.Builder
	for line := range strings.Lines(read(t, "proto", "freshet", "errors", "v1", "reason.proto")) {
		if text, ok := strings.CutPrefix(strings.TrimSpace(line), "//"); ok {
			comment.WriteString(text)
			continue
		}
		if match := value.FindStringSubmatch(line); match != nil {
			for _, found := range code.FindAllStringSubmatch(comment.String(), -1) {
				out[match[1]] = append(out[match[1]], found[1])
			}
		}
		comment.Reset()
	}
	return out
}

// Every reason has a row `| reason | HTTP | gRPC | … |` in docs/errors.md with the code that the contract says, and there are no others.
func TestEveryReasonIsDocumented(t *testing.T) {
	table, inContract := rows(read(t, "docs", "errors.md")), reasonCodes(t)
	names := slices.Sorted(maps.Keys(errorsv1.Reason_value))
	for _, name := range names {
		if name == errorsv1.Reason_REASON_UNSPECIFIED.String() {
			continue
		}
		require.NotEmpty(t, inContract[name], "reason.proto does not say which code goes with %s", name)
		cells := strings.Split(table[name], "|")
		require.Greater(t, len(cells), 4, "docs/errors.md: no row of %s", name)
		for _, grpcName := range inContract[name] {
			require.Contains(t, cells[3], grpcName, "docs/errors.md: %s", name)
			require.Contains(t, cells[2], strconv.Itoa(runtime.HTTPStatusFromCode(codeOf(t, grpcName))), "docs/errors.md: %s", name)
		}
	}
	for name := range table {
		if regexp.MustCompile(`^[A-Z_]+$`).MatchString(name) {
			require.Contains(t, names, name, "docs/errors.md: no such reason")
		}
	}
}

func codeOf(t *testing.T, name string) codes.Code {
	t.Helper()
	var code codes.Code
	require.NoError(t, json.Unmarshal([]byte(strconv.Quote(name)), &code))
	return code
}

// family is a metric as /metrics shows it: its type, and the names of its labels.
type family struct {
	kind   string
	labels map[string]bool
}

var (
	typeLine = regexp.MustCompile(`^# TYPE (\S+) (\S+)`)
	sample   = regexp.MustCompile(`^([a-z_]+)\{(.*)\} `)
	label    = regexp.MustCompile(`([a-z_]+)="(?:[^"\\]|\\.)*"`)
)

// families reads the exposition format for what is ours.
// https://prometheus.io/docs/instrumenting/exposition_formats/
func families(text string) map[string]*family {
	out := map[string]*family{}
	for line := range strings.Lines(text) {
		if match := typeLine.FindStringSubmatch(line); match != nil && strings.HasPrefix(match[1], "freshet_") {
			out[match[1]] = &family{kind: match[2], labels: map[string]bool{}}
		}
		match := sample.FindStringSubmatch(line)
		if match == nil {
			continue
		}
		name := match[1]
		for _, suffix := range []string{"_bucket", "_sum", "_count"} {
			if base, ok := strings.CutSuffix(name, suffix); ok && out[base] != nil {
				name = base
			}
		}
		if f := out[name]; f != nil {
			for _, found := range label.FindAllStringSubmatch(match[2], -1) {
				f.labels[found[1]] = true
			}
		}
	}
	return out
}

// Every metric of ours that a working suite shows has a row `| name | type | labels | … |` in docs/observability.md, and every row is
// of one that it shows.
func TestEveryMetricIsDocumented(t *testing.T) {
	addrs := worked(t)
	shown := families(addrs.call(t, "GET", "/metrics", ""))
	require.NotEmpty(t, shown)
	table := rows(read(t, "docs", "observability.md"))
	for name, f := range shown {
		cells := strings.Split(table[name], "|")
		require.Greater(t, len(cells), 4, "docs/observability.md: no row of %s", name)
		require.Equal(t, f.kind, strings.TrimSpace(cells[2]), "docs/observability.md: type of %s", name)
		labels := slices.Sorted(maps.Keys(f.labels))
		labels = slices.DeleteFunc(labels, func(l string) bool { return l == "le" || strings.HasPrefix(l, "otel_scope_") })
		listed := regexp.MustCompile("`([a-z_]+)`").FindAllStringSubmatch(cells[3], -1)
		require.Len(t, listed, len(labels), "docs/observability.md: labels of %s are %v", name, labels)
		for _, l := range listed {
			require.Contains(t, labels, l[1], "docs/observability.md: labels of %s", name)
		}
	}
	for name := range table {
		if strings.HasPrefix(name, "freshet_") {
			require.Contains(t, slices.Collect(maps.Keys(shown)), name, "docs/observability.md: no such metric")
		}
	}
}
