{{- define "lazaretto.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 52 | trimSuffix "-" -}}
{{- else -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if contains $name .Release.Name -}}
{{- .Release.Name | trunc 52 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 52 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "lazaretto.selectorLabels" -}}
app.kubernetes.io/name: {{ default .Chart.Name .Values.nameOverride | quote }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end -}}

{{- define "lazaretto.labels" -}}
{{ include "lazaretto.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "lazaretto.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ default .Chart.AppVersion .Values.image.tag }}
{{- end -}}
{{- end -}}

{{- define "lazaretto.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{ default (include "lazaretto.fullname" .) .Values.serviceAccount.name }}
{{- else -}}
{{ default "default" .Values.serviceAccount.name }}
{{- end -}}
{{- end -}}

{{- define "lazaretto.tlsSecret" -}}
{{- if eq .Values.tls.mode "secret" -}}
{{ required "tls.mode is secret: tls.existingSecret must name one" .Values.tls.existingSecret }}
{{- else -}}
{{ include "lazaretto.fullname" . }}-tls
{{- end -}}
{{- end -}}

{{- define "lazaretto.tokenSecret" -}}
{{ include "lazaretto.fullname" . }}-token
{{- end -}}

{{- /* Helm reads numbers as floats, and TOML tells 5 from 5.0: whole ones become integers again. */ -}}
{{- define "lazaretto.integers" -}}
{{- $table := . -}}
{{- range $key, $value := $table -}}
{{- if kindIs "map" $value -}}
{{- include "lazaretto.integers" $value -}}
{{- else if kindIs "float64" $value -}}
{{- if eq $value (floor $value) -}}
{{- $_ := set $table $key (int64 $value) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- /* The configuration: what the chart sets, under what `config` says. */ -}}
{{- define "lazaretto.config" -}}
{{- $address := .Values.listenAddress -}}
{{- $drain := dict "delay" (printf "%ds" (int64 .Values.drain.delaySeconds)) "timeout" (printf "%ds" (int64 .Values.drain.timeoutSeconds)) -}}
{{- $config := dict "listen" (printf "%s:50551" $address) "operations" (printf "%s:50552" $address) "drain" $drain -}}
{{- if eq .Values.tls.mode "none" -}}
{{- $_ := set $config "allow_plaintext" true -}}
{{- else -}}
{{- $tls := dict "certificate" "/etc/lazaretto/tls/tls.crt" "key" "/etc/lazaretto/tls/tls.key" -}}
{{- if .Values.tls.clientCertificates.enabled -}}
{{- $_ := set $tls "client_ca" "/etc/lazaretto/client-ca/ca.crt" -}}
{{- $_ := set $tls "require_client_certificate" .Values.tls.clientCertificates.required -}}
{{- end -}}
{{- $_ := set $config "tls" $tls -}}
{{- end -}}
{{- if .Values.decisionLog.persistence.enabled -}}
{{- $_ := set $config "decision_log" (dict "directory" (include "lazaretto.logDirectory" .)) -}}
{{- end -}}
{{- if .Values.identities.allowAnonymous -}}
{{- $_ := set $config "allow_anonymous" true -}}
{{- end -}}
{{- if include "lazaretto.policyConfigMap" . -}}
{{- $_ := set $config "policy" "/etc/lazaretto/policy/policy.toml" -}}
{{- if or .Values.policy.shadowText .Values.policy.existingShadow -}}
{{- $_ := set $config "shadow_policy" "/etc/lazaretto/policy/shadow.toml" -}}
{{- end -}}
{{- end -}}
{{- $config = mustMergeOverwrite $config (mustDeepCopy .Values.config) -}}
{{- include "lazaretto.integers" $config -}}
{{- toToml $config -}}
{{- end -}}

{{- /* Where the volume of the decision log is. */ -}}
{{- define "lazaretto.logDirectory" -}}
/var/lib/lazaretto-log
{{- end -}}

{{- /* The ConfigMap of the policy; empty for the built-in one. */ -}}
{{- define "lazaretto.policyConfigMap" -}}
{{- if .Values.policy.existingConfigMap -}}
{{ .Values.policy.existingConfigMap }}
{{- else if .Values.policy.text -}}
{{ include "lazaretto.fullname" . }}-policy
{{- end -}}
{{- end -}}

{{- /* What would install and not work, or be open without anybody having said so. */ -}}
{{- define "lazaretto.checks" -}}
{{- if not (regexMatch "^[a-z]" (include "lazaretto.fullname" .)) -}}
{{- fail "the name of a Service begins with a letter: set fullnameOverride" -}}
{{- end -}}
{{- if and (not .Values.identities.generated.enabled) (not .Values.identities.existingSecret) (not .Values.config.identities) (not .Values.identities.allowAnonymous) -}}
{{- fail "nobody could call it: identities.generated.enabled, identities.existingSecret or config.identities is needed, or identities.allowAnonymous" -}}
{{- end -}}
{{- if and .Values.identities.allowAnonymous (or .Values.identities.generated.enabled .Values.identities.existingSecret .Values.config.identities) -}}
{{- fail "identities.allowAnonymous excludes identities: set identities.generated.enabled to false, and give no others" -}}
{{- end -}}
{{- if and .Values.tls.clientCertificates.enabled (eq .Values.tls.mode "none") -}}
{{- fail "tls.clientCertificates needs TLS: tls.mode is none" -}}
{{- end -}}
{{- if and .Values.tls.clientCertificates.required (not .Values.tls.clientCertificates.enabled) -}}
{{- fail "tls.clientCertificates.required needs tls.clientCertificates.enabled" -}}
{{- end -}}
{{- range $name, $identity := .Values.config.identities -}}
{{- if and $identity.tokens (not (regexMatch "^([\\s,]*sha256:[0-9A-Fa-f]{64}\\s*(,|$))+[\\s,]*$" $identity.tokens)) -}}
{{- /* Not by the schema, whose messages repeat what may be the token itself. */ -}}
{{- fail (printf "config.identities.%s.tokens must be hashes, sha256: and 64 hexadecimal digits, with commas between (lazaretto identity token makes one)" $name) -}}
{{- end -}}
{{- end -}}
{{- if and .Values.decisionLog.persistence.existingClaim (gt (int .Values.replicas) 1) -}}
{{- fail "decisionLog.persistence.existingClaim is for one replica: each pod writes a log of its own" -}}
{{- end -}}
{{- if and .Values.decisionLog.persistence.enabled (dig "decision_log" "directory" "" .Values.config) -}}
{{- fail "config.decision_log.directory is set by the chart: set decisionLog.persistence.enabled to false for a place of your own" -}}
{{- end -}}
{{- if and .Values.policy.text .Values.policy.existingConfigMap -}}
{{- fail "policy.text and policy.existingConfigMap exclude each other" -}}
{{- end -}}
{{- if and .Values.policy.shadowText (not .Values.policy.text) -}}
{{- fail "policy.shadowText needs policy.text beside it" -}}
{{- end -}}
{{- end -}}

{{- /* Of every container: the restricted Pod Security Standard. */ -}}
{{- define "lazaretto.securityContext" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
runAsNonRoot: true
capabilities:
  drop: [ALL]
{{- end -}}

{{- define "lazaretto.podSecurityContext" -}}
runAsNonRoot: true
{{- if not .Values.platformAssignsIds }}
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
fsGroupChangePolicy: OnRootMismatch
{{- end }}
seccompProfile:
  type: RuntimeDefault
{{- end -}}
