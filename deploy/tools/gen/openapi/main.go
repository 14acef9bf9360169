// Command openapi makes the one document that is served at /openapi.json out of those that protoc-gen-openapiv3 writes per service.
//
// It merges them, names path parameters after the resource they stand for (the plugin names them after proto fields, which yields
// the same path twice under two names: OpenAPI 3.1 section 4.8.8 forbids that), and adds what contracts cannot say: the API's title, how
// callers authenticate, errors as application/problem+json (RFC 9457), the media types of streams.
//
// Usage: openapi OUT FILE...
package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
)

type object = map[string]any

func main() {
	if len(os.Args) < 3 {
		fmt.Fprintln(os.Stderr, "usage: openapi OUT FILE...")
		os.Exit(2)
	}
	if err := run(os.Args[1], os.Args[2:]); err != nil {
		fmt.Fprintln(os.Stderr, "openapi:", err)
		os.Exit(1)
	}
}

func run(out string, files []string) error {
	doc := skeleton()
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		var part object
		if err := json.Unmarshal(text, &part); err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		if err := add(doc, part); err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
	}
	text, err := json.MarshalIndent(doc, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(out, append(text, '\n'), 0o644)
}

func skeleton() object {
	return object{
		"openapi": "3.1.0",
		"info": object{
			"title":       "Freshet",
			"version":     "v1",
			"description": "Keeps credentials fresh, pushes each new one before the old one expires, and delivers events with them.",
			"license":     object{"name": "Apache-2.0", "identifier": "Apache-2.0"},
		},
		"security": []any{object{"bearer": []any{}}, object{"apiKey": []any{}}},
		"tags":     []any{},
		"paths":    object{},
		"components": object{
			"schemas": object{"Problem": problem()},
			"securitySchemes": object{
				"bearer": object{"type": "http", "scheme": "bearer", "description": "The admin key."},
				"apiKey": object{"type": "apiKey", "in": "header", "name": "x-api-key", "description": "The admin key."},
			},
		},
	}
}

func problem() object {
	text := func(description string) object { return object{"type": "string", "description": description} }
	return object{
		"type":        "object",
		"description": "An error, RFC 9457.",
		"required":    []any{"type", "title", "status", "reason"},
		"properties": object{
			"type":    text("`urn:freshet:reason:` and the reason."),
			"title":   text("The status code's name."),
			"status":  object{"type": "integer", "description": "The HTTP status."},
			"detail":  text("What is wrong, for people."),
			"reason":  object{"$ref": "#/components/schemas/freshet.errors.v1.Reason"},
			"traceId": text("Under which the server's log has more."),
			"errors": object{
				"type":        "array",
				"description": "The fields that are wrong.",
				"items": object{"type": "object", "properties": object{
					"field":       text("Path of the field."),
					"description": text("What is allowed."),
				}},
			},
		},
	}
}

func add(doc, part object) error {
	for _, tag := range list(part["tags"]) {
		doc["tags"] = append(list(doc["tags"]), tag)
	}
	schemas := doc["components"].(object)["schemas"].(object)
	if components, ok := part["components"].(object); ok {
		if own, ok := components["schemas"].(object); ok {
			maps.Copy(schemas, own) // Equal names are the same message.
		}
	}
	paths := doc["paths"].(object)
	for path, item := range part["paths"].(object) {
		renamed, names := rename(path)
		target, _ := paths[renamed].(object)
		if target == nil {
			target = object{}
			paths[renamed] = target
		}
		for method, operation := range item.(object) {
			if _, taken := target[method]; taken {
				return fmt.Errorf("%s %s is there twice", method, renamed)
			}
			finish(operation.(object), names, strings.HasSuffix(path, ":watch"))
			target[method] = operation
		}
	}
	return nil
}

var parameter = regexp.MustCompile(`([A-Za-z]+)/\{([^}]+)\}`)

// rename names each path parameter after the collection before it and returns the new path with the new names by the old ones.
func rename(path string) (string, map[string]string) {
	names := map[string]string{}
	renamed := parameter.ReplaceAllStringFunc(path, func(match string) string {
		parts := parameter.FindStringSubmatch(match)
		names[parts[2]] = singular(parts[1])
		return parts[1] + "/{" + names[parts[2]] + "}"
	})
	return renamed, names
}

func singular(collection string) string {
	switch {
	case strings.HasSuffix(collection, "ses"):
		return strings.TrimSuffix(collection, "es")
	case strings.HasSuffix(collection, "ies"):
		return strings.TrimSuffix(collection, "ies") + "y"
	default:
		return strings.TrimSuffix(collection, "s")
	}
}

func finish(operation object, names map[string]string, stream bool) {
	for _, item := range list(operation["parameters"]) {
		parameter := item.(object)
		if name, ok := names[parameter["name"].(string)]; ok && parameter["in"] == "path" {
			parameter["name"] = name
			parameter["description"] = "The " + name + "'s id: the part of its name after the last slash."
		}
	}
	responses, _ := operation["responses"].(object)
	responses["default"] = object{
		"description": "An error.",
		"content":     object{"application/problem+json": object{"schema": object{"$ref": "#/components/schemas/Problem"}}},
	}
	if !stream {
		return
	}
	for _, code := range slices.Sorted(maps.Keys(responses)) {
		response := responses[code].(object)
		content, _ := response["content"].(object)
		if media, ok := content["application/json"].(object); ok {
			media["schema"] = message(media["schema"])
			response["content"] = object{"application/x-ndjson": media, "text/event-stream": media}
		}
	}
}

// message is one line or event of a stream: a result, or the error that ends it.
func message(result any) object {
	return object{"oneOf": []any{
		object{"type": "object", "required": []any{"result"}, "properties": object{"result": result}},
		object{"type": "object", "required": []any{"error"}, "properties": object{"error": object{"$ref": "#/components/schemas/Problem"}}},
	}}
}

func list(value any) []any {
	items, _ := value.([]any)
	return items
}
