package app

import (
	"errors"
	"fmt"
	"maps"
	"net/url"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/alecthomas/kong"
	"sigs.k8s.io/yaml"
)

// Settings resolves flags that are not on the command line from the environment, and those of Config that are not there either from the
// file that --config or FRESHET_CONFIG names.
type Settings struct {
	lookupEnv func(string) (string, bool)
	readFile  func(string) ([]byte, error)

	loaded bool
	file   map[string]any // By flag name.
}

// NewSettings returns the settings of the given environment, usually os.LookupEnv.
func NewSettings(lookupEnv func(string) (string, bool)) *Settings {
	return &Settings{lookupEnv: lookupEnv, readFile: os.ReadFile}
}

// EnvName is the environment variable of a flag: data-dir is FRESHET_DATA_DIR.
func EnvName(flag string) string {
	return "FRESHET_" + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

// Validate implements kong.Resolver.
func (s *Settings) Validate(*kong.Application) error { return nil }

// Resolve implements kong.Resolver.
func (s *Settings) Resolve(kctx *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
	if flag.Name == "help" || flag.Name == "config" {
		return nil, nil //nolint:nilnil // kong's way to say "not from here".
	}
	if value, ok := s.lookupEnv(EnvName(flag.Name)); ok {
		return value, nil
	}
	if !slices.ContainsFunc(allSettings(), func(f field) bool { return f.flag == flag.Name }) {
		return nil, nil //nolint:nilnil // As above: only settings of Config may stand in the file.
	}
	if err := s.load(kctx); err != nil {
		return nil, err
	}
	if value, ok := s.file[flag.Name]; ok {
		return value, nil
	}
	return nil, nil //nolint:nilnil // As above.
}

func (s *Settings) load(kctx *kong.Context) error {
	if s.loaded {
		return nil
	}
	path, _ := s.lookupEnv(EnvName("config"))
	for _, element := range kctx.Path {
		if element.Flag != nil && element.Flag.Name == "config" {
			path = fmt.Sprint(kctx.FlagValue(element.Flag))
		}
	}
	if path == "" {
		s.loaded = true
		return nil
	}
	text, err := s.readFile(path)
	if err != nil {
		return fmt.Errorf("config: %w", err)
	}
	file, err := parseFile(text)
	if err != nil {
		return fmt.Errorf("config %s: %w", path, err)
	}
	s.file, s.loaded = file, true
	return nil
}

// parseFile returns the settings of a file by flag name. An unknown key is an error: a misspelt setting must not be silently without
// effect.
func parseFile(text []byte) (map[string]any, error) {
	var tree map[string]any
	if err := yaml.UnmarshalStrict(text, &tree); err != nil {
		return nil, err
	}
	known := map[string]field{}
	for _, f := range allSettings() {
		known[f.key] = f
	}
	out := map[string]any{}
	if err := flatten(tree, "", known, out); err != nil {
		return nil, err
	}
	return out, nil
}

func flatten(tree map[string]any, prefix string, known map[string]field, out map[string]any) error {
	for name, value := range tree {
		key := prefix + name
		if f, ok := known[key]; ok {
			text, err := flagText(value, f.value.Kind())
			if err != nil {
				return fmt.Errorf("%s: %w", key, err)
			}
			out[f.flag] = text
			continue
		}
		below, ok := value.(map[string]any)
		if !ok || !isSection(key, known) {
			return fmt.Errorf("%s: no such setting; there are %s", key, strings.Join(slices.Sorted(maps.Keys(known)), ", "))
		}
		if err := flatten(below, key+".", known, out); err != nil {
			return err
		}
	}
	return nil
}

func isSection(key string, known map[string]field) bool {
	for other := range known {
		if strings.HasPrefix(other, key+".") {
			return true
		}
	}
	return false
}

// flagText writes a YAML value the way the flag of a setting of the given kind is written on a command line.
func flagText(value any, kind reflect.Kind) (string, error) {
	switch v := value.(type) {
	case nil:
		return "", nil
	case []any:
		if kind != reflect.Slice {
			return "", errors.New("one value, not a list")
		}
		parts := make([]string, len(v))
		for i, item := range v {
			parts[i] = fmt.Sprint(item)
		}
		return strings.Join(parts, ","), nil
	case map[string]any:
		if kind != reflect.Map {
			return "", errors.New("a value, not a mapping")
		}
		parts := make([]string, 0, len(v))
		for name, item := range v {
			parts = append(parts, fmt.Sprintf("%s=%v", name, item))
		}
		slices.Sort(parts)
		return strings.Join(parts, ";"), nil
	case float64: // every number of YAML
		return strconv.FormatFloat(v, 'f', -1, 64), nil
	default:
		return fmt.Sprint(v), nil
	}
}

// field is one setting of a Config.
type field struct {
	key, flag string // egress.allow_http, egress-allow-http
	value     reflect.Value
}

// fields walks a Config the way kong does.
func fields(v reflect.Value, keyPrefix, flagPrefix string) []field {
	var out []field
	for i := range v.NumField() {
		structField := v.Type().Field(i)
		if prefix, ok := structField.Tag.Lookup("prefix"); ok {
			out = append(out, fields(v.Field(i), keyPrefix+strings.TrimSuffix(prefix, "-")+".", flagPrefix+prefix)...)
			continue
		}
		name := structField.Tag.Get("name")
		if name == "" {
			name = dashed(structField.Name)
		}
		out = append(out, field{key: keyPrefix + strings.ReplaceAll(name, "-", "_"), flag: flagPrefix + name, value: v.Field(i)})
	}
	return out
}

// dashed writes DataDir as data-dir.
func dashed(name string) string {
	var b strings.Builder
	for i, r := range name {
		if i > 0 && r >= 'A' && r <= 'Z' {
			b.WriteByte('-')
		}
		b.WriteRune(r)
	}
	return strings.ToLower(b.String())
}

// allSettings are those there are, without values.
func allSettings() []field { return fields(reflect.ValueOf(Config{}), "", "") }

// YAML writes the configuration as a file that yields it again, except for a database password, which is replaced.
func (c *Config) YAML() ([]byte, error) {
	tree := map[string]any{}
	for _, f := range fields(reflect.ValueOf(*c), "", "") {
		at := tree
		parts := strings.Split(f.key, ".")
		for _, section := range parts[:len(parts)-1] {
			below, ok := at[section].(map[string]any)
			if !ok {
				below = map[string]any{}
				at[section] = below
			}
			at = below
		}
		at[parts[len(parts)-1]] = printable(f)
	}
	return yaml.Marshal(tree)
}

func printable(f field) any {
	switch v := f.value.Interface().(type) {
	case time.Duration:
		return v.String()
	case string:
		if f.key == "database" {
			return redactURL(v)
		}
		return v
	case []string:
		return append([]string{}, v...) // [], not null
	case map[string]string:
		return maps.Collect(maps.All(v)) // {}, not null
	default:
		return v
	}
}

// redactURL hides a password, wherever PostgreSQL URLs may carry one.
func redactURL(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return "[unreadable]"
	}
	query := u.Query()
	for _, name := range []string{"password", "sslpassword"} {
		if query.Has(name) {
			query.Set(name, "xxxxx")
			u.RawQuery = query.Encode()
		}
	}
	return u.Redacted()
}

// DefaultConfig returns the configuration without any setting, for programs that embed the suite.
func DefaultConfig() (Config, error) {
	var config Config
	parser, err := kong.New(&config, kong.Name("freshet"))
	if err != nil {
		return Config{}, err
	}
	if _, err := parser.Parse(nil); err != nil {
		return Config{}, err
	}
	return config, nil
}
