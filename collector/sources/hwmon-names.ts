/** Name and factor of one sensor file, as node_exporter's `hwmon` gives them (its hwmon_linux.go). */
export interface SensorFigure {
  readonly name: string
  readonly factor: number
}

const milli = 0.001
const micro = 0.000001

/**
 * `type` is the file's prefix (`temp`), `element` what follows the underscore (`input`, `crit`, or empty).
 * `bare`: the sensor has a file without element as well, so `input` must keep its name.
 */
export function sensorFigure(type: string, element: string, bare: boolean): SensorFigure {
  if (type === 'beep_enable') return { name: 'node_hwmon_beep_enabled', factor: 1 }
  if (type === 'vrm') return { name: 'node_hwmon_voltage_regulator_version', factor: 1 }
  if (type === 'update_interval')
    return { name: 'node_hwmon_update_interval_seconds', factor: milli }
  const suffix = element === '' || (element === 'input' && !bare) ? '' : `_${clean(element)}`
  const name = `node_hwmon_${type}${suffix}`
  if (element === 'fault' || element === 'alarm') return { name, factor: 1 }
  if (element === 'beep') return { name: `${name}_enabled`, factor: 1 }
  return withUnit(type, element, name)
}

function withUnit(type: string, element: string, name: string): SensorFigure {
  switch (type) {
    case 'in':
    case 'cpu':
      return { name: `${name}_volts`, factor: milli }
    case 'temp':
      return element === 'type' ? { name, factor: 1 } : { name: `${name}_celsius`, factor: milli }
    case 'curr':
      return { name: `${name}_amps`, factor: milli }
    case 'energy':
      return { name: `${name}_joule_total`, factor: micro }
    case 'power':
      if (element === 'accuracy') return { name, factor: micro }
      if (element.startsWith('average_interval')) return { name: `${name}_seconds`, factor: milli }
      return { name: `${name}_watt`, factor: micro }
    case 'humidity':
      return { name, factor: micro }
    case 'fan':
      return ['input', 'min', 'max', 'target'].includes(element)
        ? { name: `${name}_rpm`, factor: 1 }
        : { name, factor: 1 }
    default:
      return { name, factor: 1 }
  }
}

function clean(element: string): string {
  return element.toLowerCase().replace(/[^a-z0-9:_]/g, '_')
}
