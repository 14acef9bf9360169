package manifest

import (
	"strings"

	"go.yaml.in/yaml/v3"
)

// valueFrom reads `{valueFrom: {env: NAME}}` or `{valueFrom: {file: path}}`.
func (d *documentReader) valueFrom(node *yaml.Node, path string) (string, bool) {
	const form = "wants text, or {valueFrom: {env: NAME}}, or {valueFrom: {file: PATH}}"
	if len(node.Content) != 2 || node.Content[0].Value != "valueFrom" {
		d.fail(node, path, form)
		return "", false
	}
	source := follow(node.Content[1])
	if source.Kind != yaml.MappingNode || len(source.Content) != 2 {
		d.fail(source, path, form)
		return "", false
	}
	key, value := source.Content[0], follow(source.Content[1])
	if value.Kind != yaml.ScalarNode || value.Value == "" {
		d.fail(value, path, form)
		return "", false
	}
	switch key.Value {
	case "env":
		text, ok := d.opts.LookupEnv(value.Value)
		if !ok || text == "" {
			d.fail(value, path, "the environment variable %s is not set", value.Value)
			return "", false
		}
		return text, true
	case "file":
		text, err := d.opts.ReadFile(d.opts.path(value.Value))
		if err != nil {
			d.fail(value, path, "%v", err)
			return "", false
		}
		secret := strings.TrimSuffix(strings.TrimSuffix(string(text), "\n"), "\r")
		if secret == "" {
			d.fail(value, path, "the file %s is empty", d.opts.path(value.Value))
			return "", false
		}
		return secret, true
	default:
		d.fail(key, path, form)
		return "", false
	}
}

// plainSecret remarks on a secret that stands in the manifest itself.
func (d *documentReader) plainSecret(node *yaml.Node, path string) {
	d.warnings = append(d.warnings, d.where(node)+": "+path+" is a secret in plain text; valueFrom with env or file keeps it out of the manifest")
}
